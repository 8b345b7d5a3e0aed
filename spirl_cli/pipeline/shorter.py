"""Finds finished agents from which a longer run can continue instead of starting again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spirl_cli.payload import AGENT
from spirl_cli.store.diff import differences
from spirl_cli.store.export import LEFT_OUT

if TYPE_CHECKING:
    from spirl_cli.stages.context import StageSpec
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.store import Store


def longest_beginning(
    spec: StageSpec, store: Store, parameters: Mapping[str, Any], inputs: Mapping[str, str]
) -> Artifact | None:
    """Find the longest finished agent that differs from the wanted one only by fewer steps.

    One whose files are damaged counts too: its steps must not be lost without a word.

    Args:
        spec: the stage that trains agents.
        store: store with the finished agents.
        parameters: parameters of the wanted run.
        inputs: fingerprints of the wanted run's inputs.
    """
    agents = store.look(stage=AGENT)
    damaged = [entry.artifact for entry in agents.broken if entry.artifact is not None]
    candidates = [
        artifact
        for artifact in (*agents.artifacts, *damaged)
        if artifact.head.stage_version == spec.version
        and artifact.head.inputs == inputs
        and LEFT_OUT not in artifact.manifest.extra
        and _is_beginning(artifact, parameters)
    ]
    return max(candidates, key=lambda artifact: _training(artifact.manifest.parameters)["steps"], default=None)


def _is_beginning(finished: Artifact, wanted: Mapping[str, Any]) -> bool:
    """Say whether a finished run is the beginning of the run `wanted`."""
    done = finished.manifest.parameters
    if not _has_steps(done):
        return False
    if _training(done)["steps"] >= _training(wanted)["steps"] or differences(_rest(done), _rest(wanted)):
        return False
    # its last skill may have passed the requested number of steps
    reached = finished.manifest.metrics.get("steps", _training(done)["steps"])
    return _snapshots(wanted, reached) <= _snapshots(done, reached)


def _has_steps(parameters: Mapping[str, Any]) -> bool:
    """Tell whether parameters are those of training at all: a manifest may have been written by a stranger."""
    section = parameters.get("train_rl")
    if not isinstance(section, Mapping) or not isinstance(section.get("snapshots"), list):
        return False
    return all(isinstance(number, int) for number in (section.get("steps"), *section["snapshots"]))


def _rest(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that must be equal in a run and its beginning."""
    training = {key: value for key, value in _training(parameters).items() if key not in ("steps", "snapshots")}
    return {**parameters, "train_rl": training}


def _snapshots(parameters: Mapping[str, Any], reached: float) -> set[int]:
    return {step for step in _training(parameters)["snapshots"] if step <= reached}


def _training(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    section: Mapping[str, Any] = parameters["train_rl"]
    return section
