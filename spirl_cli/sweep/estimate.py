"""How long jobs will take, from how long the store's artifacts of the same recipe took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from spirl_cli.sweep.work import work_of

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.sweep.jobs import Job


class Timings:
    """Seconds per unit of work, by stage, recipe, profile and method; the newest artifact counts."""

    def __init__(self, artifacts: Iterable[Artifact]) -> None:
        self._rates: dict[tuple[str | None, ...], float] = {}
        for artifact in artifacts:
            head = artifact.head
            rate = head.seconds / work_of(head.stage, artifact.manifest.parameters)
            kind = (head.stage, head.recipe, head.profile)
            self._rates[kind] = rate
            self._rates[(*kind, head.method)] = rate

    def seconds(self, job: Job) -> float | None:
        """Return how long a job will take, scaled by its work; None when nothing like it was made yet."""
        kind = (job.stage, job.recipe, job.profile)
        rate = self._rates.get((*kind, job.method), self._rates.get(kind))
        return None if rate is None else rate * job.work


def wall_seconds(jobs: Sequence[Job], seconds: Mapping[str, float], workers: int) -> float:
    """Return how long jobs take when so many run side by side: at least the longest chain of them."""
    chains: dict[str, float] = {}
    for job in jobs:
        before = max((chains.get(key, 0.0) for key in job.needs), default=0.0)
        chains[job.key] = before + seconds[job.key]
    return max(sum(seconds.values()) / workers, *chains.values(), 0.0)
