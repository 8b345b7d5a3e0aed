"""`bench-sac`: the verdict by hand, finished runs that are kept, published rows, and our learner on a real task."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import sac
from benchmarks.sac_comparison import Comparison, Pair, Task
from benchmarks.sac_learners import Curve, learn_ours, take_turns
from spirl_cli.evaluation.results import read_rows
from spirl_cli.monitor.reporter import SilentReporter


def curve(*returns: float, seconds: float = 10.0) -> Curve:
    """Make a run with one point, each of whose episodes has one of these returns."""
    return Curve([(50, list(returns))], updates=100, seconds=seconds)


def compared(task: Task, ours: list[Curve], theirs: list[Curve]) -> Comparison:
    """Make a comparison of runs by the same program."""
    return Comparison(task, [Pair(*pair, commit="abc") for pair in zip(ours, theirs, strict=True)])


@pytest.mark.parametrize(
    ("ours", "theirs", "goal", "seconds", "passed"),
    [
        ([90.0, 92.0], [80.0, 120.0], None, 10.0, True),  # 91 is above 100 - 28.3
        ([70.0, 72.0], [80.0, 120.0], None, 10.0, False),  # 71 is not
        ([90.0, 92.0], [80.0, 120.0], None, 11.0, False),  # as good, but slower
        ([-150.0], [-160.0], -200.0, 10.0, True),
        ([-210.0], [-160.0], -200.0, 10.0, False),
        ([-150.0], [-210.0], -200.0, 10.0, False),  # a comparison with a library that did not learn says nothing
    ],
)
def test_a_comparison_passes_where_ours_is_as_good_and_as_fast(
    ours: list[float], theirs: list[float], goal: float | None, seconds: float, passed: bool
) -> None:
    task = Task("Hopper-v5", 50, len(ours), goal)
    comparison = compared(task, [curve(value, seconds=seconds) for value in ours], [curve(value) for value in theirs])
    assert comparison.passed is passed
    assert list(comparison.lines())[-1] == ("pass" if passed else "FAIL")


def test_the_table_shows_mean_and_spread_over_seeds_and_rates() -> None:
    lines = list(compared(Task("X", 50, 2), [curve(1, 3), curve(5, 7)], [curve(0), curve(0, seconds=30.0)]).lines())
    assert lines[2].split() == ["50", "4.0", "±", "2.8", "0.0", "±", "0.0"]
    assert lines[3].split() == ["updates/s", "10.0", "5.0"]


@pytest.fixture
def learners(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Replace both learners by ones that only book what was asked of them."""
    calls: list[tuple[str, int]] = []

    def learn(name: str, value: float) -> sac.Learner:
        def run(env: str, steps: int, seed: int, evaluations: int, episodes: int) -> Iterator[Curve]:
            calls.append((name, seed))
            yield Curve([(steps, [value + seed] * episodes)], steps, 1.0)

        return run

    monkeypatch.setattr(sac, "LEARNERS", {"sac": learn("sac", 10.0), "stable-baselines3": learn("theirs", 9.0)})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    return calls


def test_finished_pairs_are_kept_and_not_repeated(learners: list[tuple[str, int]], tmp_path: Path) -> None:
    task, reporter = Task("Hopper-v5", 50, 2), SilentReporter()
    first = sac.compare(task, 1, 3, reporter, tmp_path / "runs")
    assert learners == [("sac", 0), ("theirs", 0), ("sac", 1), ("theirs", 1)]
    next(tmp_path.glob("runs/*seed1.json")).unlink()
    assert sac.compare(task, 1, 3, reporter, tmp_path / "runs") == first
    assert learners[4:] == [("sac", 1), ("theirs", 1)]
    sac.compare(Task("Hopper-v5", 60, 1), 1, 3, reporter, tmp_path / "runs")  # other steps are another run
    assert len(learners) == 8


def test_pairs_of_another_commit_are_named(
    learners: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, reporter = Task("Hopper-v5", 50, 2), SilentReporter()
    monkeypatch.setattr(sac, "checkout_commit", lambda: "abc")
    sac.compare(Task("Hopper-v5", 50, 1), 1, 3, reporter, tmp_path)
    monkeypatch.setattr(sac, "checkout_commit", lambda: "def")
    warnings: list[str] = []
    monkeypatch.setattr(reporter, "warn", warnings.append)
    comparison = sac.compare(task, 1, 3, reporter, tmp_path)
    assert len(warnings) == 1 and "seed0.json" in warnings[0] and "abc" in warnings[0]
    assert {row.commit for row in comparison.rows("command")} == {"abc, def"}


def test_runs_that_take_turns_draw_what_they_would_draw_alone() -> None:
    def run(seed: int, log: list[int]) -> Iterator[Curve]:
        torch.manual_seed(seed)
        np.random.seed(seed)
        draws: list[float] = []
        for step in range(3):
            log.append(seed)
            draws += [float(torch.rand(())), float(np.random.rand())]
            yield Curve([(step, draws.copy())], step, 1.0)

    alone = [list(run(seed, []))[-1] for seed in (1, 2)]
    log: list[int] = []
    assert take_turns(run(1, log), run(2, log)) == alone
    assert log == [1, 2, 1, 2, 1, 2]


def test_rows_are_published(
    learners: list[tuple[str, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.json"
    arguments = ["--env", "Hopper-v5", "--steps", "50", "--episodes", "4", "--results", str(results)]
    assert sac.main(arguments) == 0
    ours, theirs = read_rows(results)
    assert (ours.method, ours.mean, ours.seeds, ours.episodes, ours.env_steps) == ("sac", 11.0, 3, 12, 50)
    assert (theirs.method, theirs.mean, theirs.metric, theirs.policy) == ("stable-baselines3", 10.0, "return", "mean")
    assert ours.low < 11.0 < ours.high and ours.command.endswith(" ".join(arguments))
    assert "pass" in capsys.readouterr().out


def test_our_learner_runs_on_a_real_task_and_repeats_itself() -> None:
    runs = take_turns(*(learn_ours("Pendulum-v1", 120, seed=3, evaluations=2, episodes=2) for _ in range(2)))
    assert [step for step, _ in runs[0].points] == [60, 120] and runs[0].updates == 20
    assert runs[0].points == runs[1].points
    assert all(-2000 < value < 0 for _, returns in runs[0].points for value in returns)
