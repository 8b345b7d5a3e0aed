"""Datasets at a path: what is in them decides about clips, not where they lie.

The parameters of clips hold the id of a dataset, since an id means the same on every machine. A path does not, so it
is left out: the checksum of the content is among the inputs already. Clips that were made when paths still counted
are found by what they hold.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spirl_cli.printable import printable
from spirl_cli.store.diff import differences

if TYPE_CHECKING:
    from spirl_cli.stages.context import StageSpec
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.manifest import InputRecord, Manifest
    from spirl_cli.store.store import Store


def is_path(dataset: str | None) -> bool:
    """Say whether a recipe's dataset is one at a path; loading the recipe has made it absolute."""
    return dataset is not None and os.path.isabs(dataset)


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
        manifest = artifact.manifest
        same = {name: record.fingerprint for name, record in manifest.inputs.items()} == inputs
        if same and manifest.stage_version == spec.version and _same(manifest, parameters):
            return artifact
    return None


def recorded_dataset(store: Store, spec: StageSpec, parameters: Mapping[str, Any], dataset: str) -> InputRecord | None:
    """Return the dataset at a path that clips were made from, which may be gone by now."""
    for artifact in reversed(store.artifacts(stage=spec.name)):
        record = artifact.manifest.inputs.get("dataset")
        if record is not None and _path(record) == printable(dataset) and _same(artifact.manifest, parameters):
            return record
    return None


def _same(manifest: Manifest, parameters: Mapping[str, Any]) -> bool:
    return not differences(without_path(manifest.parameters), without_path(parameters))


def _path(record: InputRecord) -> str:
    """Return the absolute path in a record; earlier versions wrote it down as it was typed."""
    return os.path.abspath(os.path.expanduser(record.reference.partition(":")[2]))
