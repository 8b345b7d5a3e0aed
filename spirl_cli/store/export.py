"""Copies of artifacts in other stores, without what only the continuation of their training needs."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from spirl_cli.files import discard, make_folder, publish_folder
from spirl_cli.seals import write_sealed
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.locks import stage_lock, written_store
from spirl_cli.store.manifest import Manifest
from spirl_cli.store.names import MANIFEST, version_folder
from spirl_cli.store.store import Store

LEFT_OUT = "left_out"  # in the manifest's extra: the files that a copy lacks


def export(artifact: Artifact, store: Store, without: Collection[str] = ()) -> Artifact:
    """Copy an artifact into another store; it keeps its version if that is free there.

    A copy without any change is the same artifact, by its checksum too. Every file's checksum is verified first.

    Args:
        artifact: what to copy.
        store: where to; may not exist yet.
        without: patterns of files that are left out.

    Returns:
        The copy, or what the store had with this fingerprint already.

    Raises:
        ArtifactError: a file is missing or corrupt, or the store cannot be written to.
    """
    manifest = artifact.manifest
    existing = store.find(manifest.stage, manifest.fingerprint, manifest.recipe)
    if existing is not None:
        return existing
    folder = store.root / manifest.recipe / manifest.stage
    with written_store(store.root, "choose another place with --to DIR"):
        make_folder(folder)
        with stage_lock(folder):
            return _copy(artifact, folder, _described(manifest, store, without))


def _described(manifest: Manifest, store: Store, without: Collection[str]) -> Manifest:
    """Return the copy's manifest, the very same where nothing is left out and the version is free."""
    kept = [one for one in manifest.outputs if not any(fnmatch(one.file, pattern) for pattern in without)]
    taken = {one.manifest.version for one in store.artifacts(manifest.recipe, manifest.stage)}
    version = manifest.version if manifest.version not in taken else 1 + max(taken)
    if len(kept) < len(manifest.outputs):
        left_out = sorted({one.file for one in manifest.outputs} - {one.file for one in kept})
        manifest = replace(manifest, outputs=kept, extra={**manifest.extra, LEFT_OUT: left_out})
    return replace(manifest, version=version)


def _copy(artifact: Artifact, folder: Path, manifest: Manifest) -> Artifact:
    staging = folder / f".staging-{manifest.fingerprint}"
    discard(staging)
    for output in manifest.outputs:
        target = staging / output.file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.file(output.file), target)
    staging.mkdir(exist_ok=True)
    write_sealed(staging / MANIFEST, manifest.to_json())
    copy = folder / version_folder(manifest.version, manifest.fingerprint)
    publish_folder(staging, copy)
    return Artifact.open(copy)
