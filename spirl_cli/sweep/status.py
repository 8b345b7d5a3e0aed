"""What has become of a sweep: the state of each job and each cell, from the store, the locks and the exit codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from spirl_cli.store.locks import is_locked, run_lock
from spirl_cli.sweep.inventory import Inventory

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.store import Store
    from spirl_cli.sweep.jobs import Job, Plan, SweepCell
    from spirl_cli.sweep.record import SweepFolder

State = Literal["done", "not needed", "running", "queued", "failed", "interrupted", "blocked", "left"]
INTERRUPTED = (130, 137, 143, -2, -9, -15)  # saved or killed: the same command goes on where it was


@dataclass(frozen=True)
class Status:
    """A sweep at one moment.

    Attributes:
        plan: its cells and jobs.
        states: of each job, by key.
        artifacts: of the jobs that are done, by key.
        inventory: the store that was looked at.
    """

    plan: Plan
    states: Mapping[str, State]
    artifacts: Mapping[str, Artifact]
    inventory: Inventory

    def left(self) -> list[Job]:
        """Return the jobs that have to run, in an order in which they can."""
        return [job for job in self.plan.jobs.values() if self.states[job.key] not in ("done", "not needed")]

    def in_state(self, *states: State) -> list[Job]:
        """Return the jobs in one of these states."""
        return [job for job in self.plan.jobs.values() if self.states[job.key] in states]

    def cell_state(self, cell: SweepCell) -> State:
        """Return the state of a cell: that of its last stage, or of the one that keeps it from going on."""
        states = [self.states[key] for key in cell.jobs.values()]
        if states[-1] == "done":
            return "done"
        for state in ("failed", "running", "interrupted", "queued"):
            if state in states:
                return state
        return states[-1]

    def stuck_cells(self) -> list[SweepCell]:
        """Return the cells that are not complete and that nothing works on."""
        return [cell for cell in self.plan.cells if self.cell_state(cell) not in ("done", "running", "queued")]

    def counts(self) -> Counter[State]:
        """Return how many cells are in each state."""
        return Counter(self.cell_state(cell) for cell in self.plan.cells)


def status_of(plan: Plan, inventory: Inventory, folder: SweepFolder, queued: Mapping[str, str] | None = None) -> Status:
    """Look at the store and at the sweep's folder.

    Args:
        plan: the sweep's plan.
        inventory: the store that its artifacts are in.
        folder: the sweep's folder, which need not exist.
        queued: key to state (``PENDING``, ``RUNNING``, ...) of jobs that a scheduler has.
    """
    codes = folder.exit_codes()
    artifacts = {job.key: found for job in plan.jobs.values() if (found := _artifact(job, inventory)) is not None}
    done = set(artifacts) | {
        job.key for job in plan.jobs.values() if job.fingerprint is None and codes.get(job.key) == 0
    }
    needed = _needed(plan, done)
    states: dict[str, State] = {}
    for job in plan.jobs.values():
        if job.key in done:
            states[job.key] = "done"
        elif job.key not in needed:
            states[job.key] = "not needed"
        else:
            states[job.key] = _state(
                job, states, codes.get(job.key), _is_running(job, inventory), (queued or {}).get(job.key)
            )
    return Status(plan, states, artifacts, inventory)


def _artifact(job: Job, store: Inventory) -> Artifact | None:
    return None if job.fingerprint is None else store.find(job.stage, job.fingerprint, job.recipe)


def _needed(plan: Plan, done: set[str]) -> set[str]:
    """Return the jobs that have to run: the last of each cell, and what those that are not done read."""
    needed = {tuple(cell.jobs.values())[-1] for cell in plan.cells}
    for job in reversed(plan.jobs.values()):  # type: ignore[call-overload]
        if job.key in needed and job.key not in done:
            needed.update(job.needs)
    return needed - done


def _state(job: Job, states: Mapping[str, State], code: int | None, running: bool, scheduled: str | None) -> State:
    if running or scheduled == "RUNNING":
        return "running"
    if scheduled is not None:
        return "queued"
    if any(states[key] in ("failed", "blocked") for key in job.needs):
        return "blocked"
    if code in INTERRUPTED:
        return "interrupted"
    return "failed" if code else "left"


def _is_running(job: Job, store: Store) -> bool:
    if job.fingerprint is None:
        return False
    return is_locked(run_lock(store.root / job.recipe / job.stage, job.fingerprint))
