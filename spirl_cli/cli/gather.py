"""The conditions that commands about results are about: of sweeps and of evaluations that are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spirl_cli.cli.console import note
from spirl_cli.errors import ArtifactError
from spirl_cli.payload import EVALUATION

if TYPE_CHECKING:
    from spirl_cli.evaluation.statistics import Statistic
    from spirl_cli.report.lines import Line, Unfinished
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.store import Store
    from spirl_cli.sweep.record import Record


@dataclass(frozen=True)
class Gathered:
    """What was named.

    Attributes:
        names: as typed; the sweep started last if nothing was typed.
        lines: one per condition.
        unfinished: cells of sweeps without a result.
        records: records of the sweeps.
    """

    names: Sequence[str]
    lines: list[Line]
    unfinished: list[Unfinished]
    records: list[Record]


def gather(names: Sequence[str] | None, store: Store, statistic: Statistic | None = None) -> Gathered:
    """Return the conditions of sweeps and evaluations; evaluations that differ in their seeds only are one condition.

    Args:
        names: sweeps and references of evaluations; None or nothing for the sweep that was started last.
        store: where they are.
        statistic: what is made of the means of seeds; None for their mean.

    Raises:
        ArtifactError: there is nothing of that name, or it has no results.
    """
    from spirl_cli.evaluation.statistics import mean_of_seeds
    from spirl_cli.report.conditions import joined
    from spirl_cli.report.lines import lines_of
    from spirl_cli.store.store import look_up
    from spirl_cli.sweep.drive import recorded_status
    from spirl_cli.sweep.record import known_sweeps, sweep_folder

    made_of = statistic or mean_of_seeds
    known = known_sweeps(store.root)
    chosen = names or known[-1:]
    if not chosen:
        raise ArtifactError(f"There is no sweep in {store.root}.", "name evaluations, such as kitchen/evaluation@v1")
    gathered = Gathered(chosen, [], [], [])
    for name in (one for one in chosen if one in known):
        record, status = recorded_status(store, sweep_folder(store.root, name))
        found, missing = lines_of(status, made_of)
        gathered.lines.extend(found)
        gathered.unfinished.extend(missing)
        gathered.records.append(record)
    evaluations = [look_up(store, _resolving(name)) for name in chosen if name not in known]
    gathered.lines.extend(joined(evaluations, made_of))
    if not gathered.lines:
        raise ArtifactError(f"{', '.join(chosen)} has no results yet.", "'spirl sweep status' shows how far it is")
    return gathered


def say_problems(lines: Sequence[Line]) -> None:
    """Say why conditions have no numbers."""
    for line in lines:
        if line.problem:
            note(f"note: {line.name} has no numbers: {line.problem}")


def _resolving(name: str) -> Callable[[Store], Artifact]:
    return lambda store: store.resolve(name, stage=EVALUATION)
