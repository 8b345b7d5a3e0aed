"""The time that quick commands take is measured; how long that is depends on the machine and is not tested."""

from __future__ import annotations

import pytest

from benchmarks import startup
from benchmarks.startup import Run
from spirl_cli.monitor.reporter import SilentReporter


def test_every_command_is_run_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "COMMANDS", {"spirl --version": ("--version",), "completion": ()})
    monkeypatch.setattr(startup, "IMPORTS", "print(0.125)")
    *measurements, skills, _, _ = startup.measure(0.001, SilentReporter())
    assert (skills.name, skills.value) == ("imports of train-skills, torch's aside", 125)
    assert [measurement.name for measurement in measurements] == ["spirl --version", "completion"]
    for measurement in measurements:
        assert len(measurement.parts["milliseconds"]) == startup.LEAST and 0 < measurement.value < 60_000
        assert 0 < measurement.parts["processor_share"] < 2


@pytest.mark.parametrize(
    ("run", "passed", "disturbed"),
    [(Run(0.4, 0.1), False, True), (Run(0.4, 0.4), False, False), (Run(0.2, 0.02), True, False)],
)
def test_a_slow_command_on_a_busy_processor_says_nothing(run: Run, passed: bool, disturbed: bool) -> None:
    measurement = startup.measurement("spirl list", [run, run])
    assert (measurement.passed, measurement.disturbed) == (passed, disturbed)
    assert measurement.value == pytest.approx(1000 * run.wall)
