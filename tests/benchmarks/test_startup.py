"""The time that quick commands take is measured; how long that is depends on the machine and is not tested."""

from __future__ import annotations

import pytest

from benchmarks import startup
from benchmarks.startup import Run
from spirl_cli.monitor.reporter import SilentReporter


def test_every_command_is_run_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "COMMANDS", {"spirl --version": ("--version",), "completion": ()})
    figures = startup.measure(0.001, SilentReporter())
    assert [figure.name for figure in figures] == ["spirl --version", "completion"]
    for figure in figures:
        assert len(figure.parts["milliseconds"]) == startup.LEAST and 0 < figure.value < 60_000
        assert 0 < figure.parts["processor_share"] < 2


@pytest.mark.parametrize(
    ("run", "passed", "disturbed"),
    [(Run(0.4, 0.1), False, True), (Run(0.4, 0.4), False, False), (Run(0.2, 0.02), True, False)],
)
def test_a_slow_command_on_a_busy_processor_says_nothing(run: Run, passed: bool, disturbed: bool) -> None:
    figure = startup._figure("spirl list", [run, run])
    assert (figure.passed, figure.disturbed) == (passed, disturbed)
    assert figure.value == pytest.approx(1000 * run.wall)
