"""The artifacts and datasets that an artifact was made from, and the artifacts that were made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spirl_cli.store.artifact import Artifact
from spirl_cli.store.manifest import InputRecord
from spirl_cli.store.names import parse_reference

Status = Literal["present", "changed", "missing", "dataset"]


@dataclass(frozen=True)
class Ancestor:
    """An input of an artifact, and the inputs of that one.

    `status` is `present` when the very artifact that was used is in the store, `changed`
    when only another one with its fingerprint is, `missing`, or `dataset`.
    """

    name: str
    record: InputRecord
    status: Status
    artifact: Artifact | None
    inputs: tuple[Ancestor, ...]


def ancestors(artifact: Artifact, known: Sequence[Artifact]) -> tuple[Ancestor, ...]:
    """Return the tree of inputs of an artifact, looked up among the known ones.

    It ends, since an input is of an earlier stage: `spirl_cli/store/manifest_file.py` reads no other.
    """
    return tuple(_ancestor(name, record, known) for name, record in artifact.manifest.inputs.items())


def _ancestor(name: str, record: InputRecord, known: Sequence[Artifact]) -> Ancestor:
    reference = parse_reference(record.reference)
    if reference is None:
        return Ancestor(name, record, "dataset", None, ())
    for artifact in known:
        if artifact.manifest.stage == reference.stage and artifact.sha256 == record.sha256:
            return Ancestor(name, record, "present", artifact, ancestors(artifact, known))
    for artifact in reversed(known):
        if artifact.manifest.stage == reference.stage and artifact.fingerprint == record.fingerprint:
            return Ancestor(name, record, "changed", artifact, ancestors(artifact, known))
    return Ancestor(name, record, "missing", None, ())


def users(artifact: Artifact, known: Sequence[Artifact]) -> list[Artifact]:
    """Return the known artifacts that were made directly from this one."""
    return [other for other in known if any(_is(artifact, record) for record in other.manifest.inputs.values())]


def _is(artifact: Artifact, record: InputRecord) -> bool:
    if record.sha256 == artifact.sha256:
        return True
    # the manifest was edited since, yet it is the artifact that the record names
    return (record.reference, record.fingerprint) == (artifact.reference, artifact.fingerprint)
