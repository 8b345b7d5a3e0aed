"""Datasets at a path: what is in them decides about clips, not where they lie.

The parameters of clips hold the id of a dataset, since an id means the same on every machine. A path does not, so it
is left out: the checksum of the content is among the inputs already. Clips that were made when paths still counted
are found by what they hold.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spirl_cli.printable import printable
from spirl_cli.store.diff import differences
from spirl_cli.store.fingerprint import fingerprint

if TYPE_CHECKING:
    from spirl_cli.stages.context import StageSpec
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.manifest import InputRecord, Manifest
    from spirl_cli.store.store import Store


def is_path(dataset: str | Sequence[str] | None) -> bool:
    """Say whether a recipe's dataset, or one of several, is at a path; loading the recipe has made it absolute."""
    return any(map(os.path.isabs, [dataset] if isinstance(dataset, str) else dataset or ()))


def without_path(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of clips without the dataset's name, whatever it is."""
    extract = parameters.get("extract")
    section = {**extract, "dataset": None} if isinstance(extract, Mapping) else extract
    return {**parameters, "extract": section}


def clips_of_content(
    spec: StageSpec, store: Store, parameters: Mapping[str, Any], inputs: Mapping[str, str]
) -> Artifact | None:
    """Return the newest clips that were made with the same parameters from the same content at any path."""
    for artifact in reversed(store.artifacts(stage=spec.name)):
        head = artifact.head
        if head.inputs == inputs and head.stage_version == spec.version and _same(artifact.manifest, parameters):
            return artifact
    return None


def earlier_parameters(
    spec: StageSpec, store: Store, parameters: Mapping[str, Any], inputs: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return the parameters of clips that are gone, made when paths counted, if something was made from those clips.

    What was made remembers the path as it was typed, and the fingerprint that followed from it.
    """
    made = [artifact for artifact in store.artifacts() if spec.name in artifact.head.inputs]
    used = {artifact.head.inputs[spec.name] for artifact in made}
    if fingerprint(spec.name, spec.version, parameters, inputs) in used:
        return None
    texts = (artifact.manifest.recorded("recipe", "extract", "dataset") for artifact in made)
    for text in dict.fromkeys(text for text in texts if isinstance(text, str)):
        earlier = {**parameters, "extract": {**parameters["extract"], "dataset": text}}
        if fingerprint(spec.name, spec.version, earlier, inputs) in used:
            return earlier
    return None


def recorded_dataset(
    store: Store, spec: StageSpec, parameters: Mapping[str, Any], dataset: str | Sequence[str]
) -> InputRecord | None:
    """Return the dataset at a path, or several, that clips were made from, which may be gone by now."""
    for artifact in reversed(store.artifacts(stage=spec.name)):
        record = artifact.manifest.inputs.get("dataset")
        if record is not None and _was(dataset, record, artifact.manifest) and _same(artifact.manifest, parameters):
            return record
    return None


def _was(dataset: str | Sequence[str], record: InputRecord, manifest: Manifest) -> bool:
    """Say whether clips were made from this dataset, or from these several."""
    if isinstance(dataset, str):
        return _path(record) == printable(dataset)
    return bool(manifest.recorded("recipe", "extract", "dataset") == list(dataset))


def _same(manifest: Manifest, parameters: Mapping[str, Any]) -> bool:
    return not differences(without_path(manifest.parameters), without_path(parameters))


def _path(record: InputRecord) -> str:
    """Return the absolute path in a record; earlier versions wrote it down as it was typed."""
    return os.path.abspath(os.path.expanduser(record.reference.partition(":")[2]))
