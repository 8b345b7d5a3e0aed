"""From cells to jobs: each stage that some cells need, once, as one ordinary command line."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spirl_cli.errors import UsageError
from spirl_cli.pipeline.graph import STAGES
from spirl_cli.pipeline.plan import PlannedStage, Request, plan
from spirl_cli.store.fingerprint import canonical, fingerprint
from spirl_cli.sweep.inventory import Inventory
from spirl_cli.sweep.work import work_of

if TYPE_CHECKING:
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.stages.context import StageSpec
    from spirl_cli.store.manifest import InputRecord
    from spirl_cli.store.store import Store
    from spirl_cli.sweep.cells import Cell

_LAST = STAGES[-1]


@dataclass(frozen=True)
class Job:
    """One stage of one or several cells.

    Attributes:
        key: identity of the job within sweeps: a hash like the fingerprint, which is also known
            while the dataset is still to be downloaded.
        stage: name of the stage.
        recipe, profile, method: of the first cell that needs it.
        arguments: what to type after ``spirl``.
        needs: keys of the jobs that must be done before.
        fingerprint: of its artifact; None while the dataset is still to be downloaded.
        work: size of the job in the unit of its stage, for estimates.
    """

    key: str
    stage: str
    recipe: str
    profile: str | None
    method: str | None
    arguments: tuple[str, ...]
    needs: tuple[str, ...]
    fingerprint: str | None
    work: float


@dataclass(frozen=True)
class SweepCell:
    """A cell as it is recorded: its values on the axes, and the key of each stage's job."""

    name: str
    seed: int | None
    recipe: str
    method: str | None
    jobs: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name with the seed."""
        return self.name if self.seed is None else f"{self.name} seed={self.seed}"


@dataclass(frozen=True)
class Plan:
    """The cells of a sweep and the jobs that they share: those of the first cell first, each behind what it needs."""

    cells: tuple[SweepCell, ...]
    jobs: Mapping[str, Job]

    def labels(self) -> dict[str, list[str]]:
        """Return the labels of the cells that need each job, by its key."""
        labels: defaultdict[str, list[str]] = defaultdict(list)
        for cell in self.cells:
            for key in cell.jobs.values():
                labels[key].append(cell.label)
        return labels


def plan_cells(cells: Sequence[Cell], store: Inventory, extra: Sequence[str] = ()) -> Plan:
    """Plan all cells together.

    Args:
        cells: the cells.
        store: where artifacts are looked for.
        extra: arguments that every command takes besides those of its cell, such as ``--device cpu``.

    Raises:
        UsageError: there are no cells, or a cell's recipe is wrong.
    """
    if not cells:
        raise UsageError("The sweep has no cells.")
    datasets: dict[str, InputRecord] = {}
    jobs: dict[str, Job] = {}
    planned = tuple(_plan_cell(cell, store, extra, datasets, jobs) for cell in cells)
    return Plan(planned, jobs)


def waves(jobs: Iterable[Job]) -> list[list[Job]]:
    """Group jobs so that each needs only jobs of earlier groups, or none of these at all."""
    depths: dict[str, int] = {}
    grouped: list[list[Job]] = []
    for job in jobs:
        depth = 1 + max((depths[key] for key in job.needs if key in depths), default=-1)
        depths[job.key] = depth
        if depth == len(grouped):
            grouped.append([])
        grouped[depth].append(job)
    return grouped


def _plan_cell(
    cell: Cell, store: Inventory, extra: Sequence[str], datasets: dict[str, InputRecord], jobs: dict[str, Job]
) -> SweepCell:
    """Plan one cell; adds what no earlier cell needed to `jobs`."""
    recipe = cell.load()
    clips = json.dumps(canonical(STAGES[0].parameters(recipe)), sort_keys=True)
    stages = plan(Request(recipe, store, _LAST, dataset=datasets.get(clips), explain=_say_nothing))
    if dataset := stages[0].records.get("dataset"):
        datasets[clips] = dataset
    keys: dict[str, str] = {}
    for stage in stages:
        job = _job(stage, recipe, cell, extra, keys)
        keys[stage.spec.name] = job.key
        jobs.setdefault(job.key, job)
    return SweepCell(cell.name, cell.seed, recipe.id, recipe.method, keys, dict(cell.settings))


def _job(stage: PlannedStage, recipe: Recipe, cell: Cell, extra: Sequence[str], keys: Mapping[str, str]) -> Job:
    spec = stage.spec
    needs = {name: keys[name] for name in spec.inputs}
    return Job(
        key=fingerprint(spec.name, spec.version, stage.parameters, needs),
        stage=spec.name,
        recipe=recipe.id,
        profile=recipe.profile,
        method=recipe.method,
        arguments=(spec.command, *cell.words, *extra),
        needs=tuple(needs.values()),
        fingerprint=stage.fingerprint,
        work=_work_left(stage),
    )


def _work_left(stage: PlannedStage) -> float:
    """Return the size of a stage, less that of the finished shorter run from which it continues."""
    earlier = stage.continue_from
    done = 0.0 if earlier is None else work_of(stage.spec.name, earlier.manifest.parameters)
    return work_of(stage.spec.name, stage.parameters) - done


def _say_nothing(
    spec: StageSpec, parameters: Mapping[str, Any], inputs: Mapping[str, str | None], store: Store, recipe: str
) -> tuple[str, ...]:
    return ()
