"""What a tracker is told of a run, and what it has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

PROJECT = "spirl"  # of a vendor's runs, where its own settings name none


@dataclass(frozen=True)
class TrackedRun:
    """A run of one stage.

    Attributes:
        name: recipe and stage, such as `kitchen/agent`.
        fingerprint: identity of what decides the result.
        parameters: the values behind the fingerprint by dotted key, such as `train_rl.steps`.
        labels: recipe, stage, profile, method, seed and commit, as text.
    """

    name: str
    fingerprint: str
    parameters: Mapping[str, Any]
    labels: Mapping[str, str]

    @property
    def title(self) -> str:
        """The name with the fingerprint, which no other run has."""
        return f"{self.name} {self.fingerprint}"


@dataclass(frozen=True)
class Made:
    """What a run has become: reference and path of the artifact, and its headline numbers."""

    reference: str
    path: str
    metrics: Mapping[str, float]


class Tracker(Protocol):
    """Writes one run to the place of one vendor.

    It works in a process of its own, so whatever it raises or waits for cannot harm the run. Settings such as project,
    address and key are the vendor's own environment variables. The class is made without arguments.
    """

    def begin(self, run: TrackedRun, known: str | None) -> str:
        """Open the run.

        Args:
            run: what is to be tracked.
            known: what this method returned in an earlier session of the same run, which goes on now; else None.

        Returns:
            What finds the run again in a later session.
        """

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write the metrics of one step. Steps ascend, and none comes twice."""

    def end(self, made: Made | None) -> None:
        """Close the run, with its artifact or, where it was interrupted, without one."""
