"""What a report is about: one line per condition, its numbers joined over seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.aggregate import aggregate, aggregate_yardsticks
from spirl_cli.evaluation.results import ResultRow
from spirl_cli.evaluation.statistics import Statistic, interquartile_mean, mean_of_seeds

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.sweep.status import Status

_ENOUGH_SEEDS = 3


@dataclass(frozen=True)
class Line:
    """One condition.

    Attributes:
        name: settings of the cell, or the reference of an evaluation.
        evaluations: its evaluations, one per seed.
        rows: means and intervals over seeds and episodes, one per metric, policy and step.
        problem: why there are no rows; empty otherwise.
        settings: value of each axis of its sweep.
        yardsticks: rows of what its evaluations compare with: the prior, skills without it, the demonstrations.
        middle: as `rows`, with interquartile means over seeds; empty for fewer than three seeds, which have no middle.
    """

    name: str
    evaluations: tuple[Artifact, ...]
    rows: tuple[ResultRow, ...]
    problem: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    yardsticks: tuple[ResultRow, ...] = ()
    middle: tuple[ResultRow, ...] = ()


@dataclass(frozen=True)
class Unfinished:
    """A cell without an evaluation, and the state that it is in."""

    label: str
    state: str


def lines_of(status: Status, statistic: Statistic = mean_of_seeds) -> tuple[list[Line], list[Unfinished]]:
    """Return the conditions of a sweep that have results, in its order, and the cells that have none yet."""
    evaluations: defaultdict[str, list[Artifact]] = defaultdict(list)
    settings = {cell.name: cell.settings for cell in status.plan.cells}
    unfinished = []
    for cell in status.plan.cells:
        found = status.artifacts.get(list(cell.jobs.values())[-1])
        if found is None:
            unfinished.append(Unfinished(cell.label, status.cell_state(cell)))
        else:
            evaluations[cell.name].append(found)
    lines = [replace(line(name, found, statistic), settings=settings[name]) for name, found in evaluations.items()]
    return lines, unfinished


def line(name: str, evaluations: Sequence[Artifact], statistic: Statistic = mean_of_seeds) -> Line:
    """Join evaluations of one condition; where they cannot be joined the line says why.

    Args:
        name: of the condition.
        evaluations: one per seed.
        statistic: what is made of the means of the seeds.
    """
    try:
        rows = aggregate(evaluations, command="", statistic=statistic)
        yardsticks = aggregate_yardsticks(evaluations)
    except ArtifactError as error:
        return Line(name, tuple(evaluations), (), error.message)
    return Line(name, tuple(evaluations), _own(rows), yardsticks=tuple(yardsticks), middle=_middle(evaluations))


def _middle(evaluations: Sequence[Artifact]) -> tuple[ResultRow, ...]:
    if len(evaluations) < _ENOUGH_SEEDS:
        return ()
    return _own(aggregate(evaluations, command="", statistic=interquartile_mean))


def _own(rows: Sequence[ResultRow]) -> tuple[ResultRow, ...]:
    return tuple(row for row in rows if row.method != "random")
