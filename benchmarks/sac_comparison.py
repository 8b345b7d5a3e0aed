"""Results of `bench-sac`: the curves of both learners, the verdict, and their tables and rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

from benchmarks.sac_learners import Curve
from spirl_cli.evaluation.results import ResultRow
from spirl_cli.evaluation.statistics import estimate

OURS, THEIRS = "sac", "stable-baselines3"  # methods in rows of results


@dataclass(frozen=True)
class Task:
    """One comparison: environment, environment steps, seeds; and the return that both must reach, if any."""

    env: str
    steps: int
    seeds: int
    goal: float | None = None


@dataclass(frozen=True)
class Pair:
    """One run of each learner with the same seed, and the commit of the program that made them."""

    ours: Curve
    theirs: Curve
    commit: str | None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Pair:
        """Read a pair from the output of `dataclasses.asdict`."""
        return cls(_curve(content["ours"]), _curve(content["theirs"]), content["commit"])


@dataclass(frozen=True)
class Comparison:
    """A pair of runs for each seed."""

    task: Task
    pairs: Sequence[Pair]

    @property
    def ours(self) -> list[Curve]:
        """Our runs, one per seed."""
        return [pair.ours for pair in self.pairs]

    @property
    def theirs(self) -> list[Curve]:
        """The library's runs, one per seed."""
        return [pair.theirs for pair in self.pairs]

    @property
    def commit(self) -> str | None:
        """Commit of the program that made the runs, or of all such programs."""
        return ", ".join(dict.fromkeys(pair.commit for pair in self.pairs if pair.commit)) or None

    @property
    def passed(self) -> bool:
        """Whether ours is no slower, and both reach the goal, or ours reaches the library's mean minus spread."""
        ours, theirs = _finals(self.ours), _finals(self.theirs)
        if self.task.goal is None:
            good = mean(ours) >= mean(theirs) - (stdev(theirs) if len(theirs) > 1 else 0.0)
        else:
            good = min(mean(ours), mean(theirs)) >= self.task.goal
        return good and _rate(self.ours) >= _rate(self.theirs)

    def as_json(self) -> dict[str, Any]:
        """Return all numbers as plain data."""
        curves = {OURS: self.ours, THEIRS: self.theirs}
        return {
            "task": asdict(self.task),
            "curves": {name: [asdict(curve) for curve in both] for name, both in curves.items()},
            "commit": self.commit,
            "updates_per_second": {name: _rate(both) for name, both in curves.items()},
            "passed": self.passed,
        }

    def lines(self) -> Iterator[str]:
        """Yield a table in text: the curves, mean ± standard deviation over seeds, and the rates."""
        yield f"{self.task.env}, {len(self.ours)} seed(s), return of the mean policy"
        yield f"{'steps':>9} {'ours':>20} {THEIRS:>20}"
        for row, (step, _) in enumerate(self.ours[0].points):
            yield f"{step:>9} {_at(self.ours, row):>20} {_at(self.theirs, row):>20}"
        yield f"{'updates/s':>9} {_rate(self.ours):>20.1f} {_rate(self.theirs):>20.1f}"
        yield "pass" if self.passed else "FAIL"

    def rows(self, command: str) -> Iterator[ResultRow]:
        """Yield a row of results for every point of both curves; intervals resample seeds, then episodes."""
        for method, curves in ((OURS, self.ours), (THEIRS, self.theirs)):
            for index, (step, _) in enumerate(curves[0].points):
                returns = [curve.points[index][1] for curve in curves]
                yield ResultRow(
                    env=self.task.env,
                    method=method,
                    metric="return",
                    **asdict(estimate(returns)),
                    seeds=len(curves),
                    episodes=sum(map(len, returns)),
                    policy="mean",
                    env_steps=step,
                    order=None,
                    noise=None,
                    reward=None,
                    layout=None,
                    data=None,
                    commit=self.commit,
                    command=command,
                )


def _curve(content: Mapping[str, Any]) -> Curve:
    return Curve([(step, returns) for step, returns in content["points"]], content["updates"], content["seconds"])


def _returns(curves: Sequence[Curve], row: int) -> list[float]:
    """Return the mean over episodes for each seed."""
    return [mean(curve.points[row][1]) for curve in curves]


def _finals(curves: Sequence[Curve]) -> list[float]:
    return _returns(curves, -1)


def _rate(curves: Sequence[Curve]) -> float:
    """Return updates per second over all seeds, including the time of simulation."""
    return sum(curve.updates for curve in curves) / sum(curve.seconds for curve in curves)


def _at(curves: Sequence[Curve], row: int) -> str:
    values = _returns(curves, row)
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"
