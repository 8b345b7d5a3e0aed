"""Run a sweep: record it, let an engine do what is left, and look at what became of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_cli.errors import ArtifactError
from spirl_cli.store.locks import hold, now
from spirl_cli.store.provenance import command_line
from spirl_cli.sweep.engine import Engine, Work
from spirl_cli.sweep.inventory import Inventory
from spirl_cli.sweep.jobs import Job, Plan, SweepCell, plan_cells
from spirl_cli.sweep.record import Record, SweepFolder
from spirl_cli.sweep.slurm import is_active, queue_of
from spirl_cli.sweep.status import Status, status_of

if TYPE_CHECKING:
    from spirl_cli.store.store import Store
    from spirl_cli.sweep.cells import Cell

MakeEngine = Callable[[Mapping[str, str], Callable[[dict[str, str]], None]], Engine]


@dataclass(frozen=True)
class Sweep:
    """A sweep that is about to be planned or run.

    Attributes:
        name: of its folder.
        cells: its cells.
        store: where artifacts are.
        folder: its own folder.
        extra: arguments that every command takes, such as ``--device cpu``.
        draw: see `Record`.
    """

    name: str
    cells: Sequence[Cell]
    store: Store
    folder: SweepFolder
    extra: Sequence[str] = ()
    draw: Sequence[tuple[str, str | None]] = ()

    def status(self) -> Status:
        """Plan all cells and look at what there is; changes nothing."""
        inventory = Inventory(self.store.root)
        return status_of(plan_cells(self.cells, inventory, self.extra), inventory, self.folder)

    def run(self, make_engine: MakeEngine, say: Callable[[str], None]) -> Status:
        """Make what is left.

        Args:
            make_engine: makes the engine, given the ids of tasks that were submitted earlier and
                what to call when there are more.
            say: tells the user something.

        Raises:
            ArtifactError: another process drives this sweep.
            Interrupted: SIGINT or SIGTERM arrived.
        """
        status = self.status()
        self.folder.create()
        with hold(self.folder.lock, f"the sweep '{self.name}'", wait=False):
            record = self._record(status.plan, say)
            self.folder.write(record)

            def remember(submitted: dict[str, str]) -> None:
                self.folder.write(replace(record, submitted=submitted))

            if left := status.left():
                engine = make_engine(record.submitted, remember)
                engine.run(Work(left, self.folder, say, describer(status.plan)))
                status = self._recorded_again(status)
            return status

    def _record(self, plan: Plan, say: Callable[[str], None]) -> Record:
        """Return the new record; says how many cells of the earlier one it leaves out."""
        submitted: dict[str, str] = {}
        with contextlib.suppress(ArtifactError):  # there is none yet, or it is damaged; artifacts are in the store
            earlier = self.folder.read()
            submitted = earlier.submitted
            gone = len(set(map(_identity, earlier.plan.cells)) - set(map(_identity, plan.cells)))
            if gone:
                say(f"note: {gone} cells of the earlier '{self.name}' are not in it any more; their artifacts stay")
        return Record(self.name, command_line(), str(Path.cwd()), now(), plan, submitted, list(self.draw))

    def _recorded_again(self, before: Status) -> Status:
        """Look again; where a dataset was unknown before, its fingerprints are known now."""
        if any(job.fingerprint is None for job in before.plan.jobs.values()):
            plan = plan_cells(self.cells, Inventory(self.store.root), self.extra)
            self.folder.write(replace(self.folder.read(), plan=plan))
            return _status(plan, self.store, self.folder, self.folder.read())
        return _status(before.plan, self.store, self.folder, self.folder.read())


def recorded_status(store: Store, folder: SweepFolder) -> tuple[Record, Status]:
    """Return the record of a sweep and what has become of it.

    Raises:
        ArtifactError: the record is missing or damaged.
    """
    record = folder.read()
    return record, _status(record.plan, store, folder, record)


def describer(plan: Plan) -> Callable[[Job], str]:
    """Return what calls a job by its command and the cells that it is for."""
    labels = plan.labels()

    def describe(job: Job) -> str:
        first, *others = labels[job.key]
        return f"{job.arguments[0]} {first}" + (f" (and {len(others)} more)" if others else "")

    return describe


def _identity(cell: SweepCell) -> str:
    return list(cell.jobs.values())[-1]


def _status(plan: Plan, store: Store, folder: SweepFolder, record: Record) -> Status:
    queued: dict[str, str] = {}
    if record.submitted:
        queue = queue_of(record.name) or {}
        states = {key: queue.get(task) for key, task in record.submitted.items()}
        queued = {key: state for key, state in states.items() if state is not None and is_active(state)}
    return status_of(plan, Inventory(store.root), folder, queued)
