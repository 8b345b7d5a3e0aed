"""``python -m spirl_cli.benchmarks.sac``: our soft actor-critic beside that of stable-baselines3.

Both learn the same task with the same networks, batches, rates, seeds and steps, in one process on one
thread, one update per environment step. Both are judged by the return of the mean policy over the same
episodes, which cost no training time. Needs stable-baselines3: ``pip install 'spirl[bench]'``.

Exit codes: 0 ours is as good and as fast, 1 it is not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

from spirl_cli.benchmarks.sac_learners import Curve, learn_ours, learn_theirs
from spirl_cli.errors import SpirlError, UsageError
from spirl_cli.monitor.reporter import Reporter, RichReporter


@dataclass(frozen=True)
class Task:
    """One comparison: environment, environment steps, seeds; and the return that both have to reach, if any."""

    env: str
    steps: int
    seeds: int
    goal: float | None = None


TASKS = {task.env: task for task in (Task("Pendulum-v1", 20_000, 1, -200.0), Task("Hopper-v5", 100_000, 3))}
LEARNERS: dict[str, Callable[..., Curve]] = {"ours": learn_ours, "stable-baselines3": learn_theirs}


@dataclass(frozen=True)
class Comparison:
    """The curves of both learners, one per seed."""

    task: Task
    ours: list[Curve]
    theirs: list[Curve]

    @property
    def passed(self) -> bool:
        """Ours at least the library's mean minus its spread over seeds, or its goal; and no slower."""
        ours, theirs = _finals(self.ours), _finals(self.theirs)
        spread = stdev(theirs) if len(theirs) > 1 else 0.0
        least = self.task.goal if self.task.goal is not None else mean(theirs) - spread
        return mean(ours) >= least and _rate(self.ours) >= _rate(self.theirs)

    def as_json(self) -> dict[str, Any]:
        """All numbers as plain data."""
        curves = {"ours": self.ours, "stable-baselines3": self.theirs}
        return {
            "task": asdict(self.task),
            "curves": {name: [asdict(curve) for curve in both] for name, both in curves.items()},
            "updates_per_second": {name: _rate(both) for name, both in curves.items()},
            "passed": self.passed,
        }

    def lines(self) -> Iterator[str]:
        """The curves, mean ± standard deviation over seeds, and the rates, as a table in text."""
        yield f"{self.task.env}, {len(self.ours)} seed(s), return of the mean policy"
        yield f"{'steps':>9} {'ours':>20} {'stable-baselines3':>20}"
        for row, (step, _) in enumerate(self.ours[0].points):
            yield f"{step:>9} {_at(self.ours, row):>20} {_at(self.theirs, row):>20}"
        yield f"{'updates/s':>9} {_rate(self.ours):>20.1f} {_rate(self.theirs):>20.1f}"
        yield "pass" if self.passed else "FAIL"


def compare(task: Task, evaluations: int, episodes: int, reporter: Reporter) -> Comparison:
    """Train both learners with every seed; they take turns, so that other work on the machine slows both."""
    curves: dict[str, list[Curve]] = {name: [] for name in LEARNERS}
    for seed in range(task.seeds):
        for name, learn in LEARNERS.items():
            reporter.message(f"bench-sac: {task.env}, seed {seed}, {name}: {task.steps:,} steps")
            curves[name].append(learn(task.env, task.steps, seed, evaluations, episodes))
    return Comparison(task, curves["ours"], curves["stable-baselines3"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and return the exit code."""
    options = _parser().parse_args(arguments)
    reporter = RichReporter()
    try:
        if importlib.util.find_spec("stable_baselines3") is None:
            raise UsageError("stable-baselines3 is not installed", "pip install 'spirl[bench]'")
        comparisons = [compare(task, options.evaluations, options.episodes, reporter) for task in _tasks(options)]
    except SpirlError as error:
        reporter.warn("\n".join(filter(None, [error.message, error.hint])))
        return error.exit_code
    if options.json:
        print(json.dumps([comparison.as_json() for comparison in comparisons], indent=2))
    else:
        print("\n\n".join("\n".join(comparison.lines()) for comparison in comparisons))
    return 0 if all(comparison.passed for comparison in comparisons) else 1


def _tasks(options: argparse.Namespace) -> list[Task]:
    tasks = [TASKS[options.env]] if options.env else list(TASKS.values())
    return [Task(task.env, options.steps or task.steps, options.seeds or task.seeds, task.goal) for task in tasks]


def _finals(curves: Sequence[Curve]) -> list[float]:
    return [curve.points[-1][1] for curve in curves]


def _rate(curves: Sequence[Curve]) -> float:
    """Updates per second over all seeds, the simulation that goes with them included."""
    return sum(curve.updates for curve in curves) / sum(curve.seconds for curve in curves)


def _at(curves: Sequence[Curve], row: int) -> str:
    values = [curve.points[row][1] for curve in curves]
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m spirl_cli.benchmarks.sac", description=__doc__.splitlines()[0])
    parser.add_argument("--env", choices=tuple(TASKS), help="one task instead of all")
    parser.add_argument("--steps", type=_count, metavar="N", help="environment steps of each run")
    parser.add_argument("--seeds", type=_count, metavar="N", help="seeds of each task")
    parser.add_argument("--evaluations", type=_count, default=10, metavar="N", help="points of a curve (default: 10)")
    parser.add_argument("--episodes", type=_count, default=10, metavar="N", help="episodes of each (default: 10)")
    parser.add_argument("--json", action="store_true", help="print one JSON value on stdout instead of tables")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


if __name__ == "__main__":
    sys.exit(main())
