"""From what a person types to an artifact, with an answer that helps when there is none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from spirl_cli.errors import ArtifactError, did_you_mean
from spirl_cli.files import expanded
from spirl_cli.store.artifact import Artifact, open_complete
from spirl_cli.store.names import MANIFEST, Reference, parse_reference, parse_run_folder, parse_version_folder


class Shelf(Protocol):
    """The part of a store that references are looked up in, see `spirl_cli.store.store.Store`."""

    @property
    def root(self) -> Path:
        """Its folder."""

    def artifacts(self, recipe: str | None = None, stage: str | None = None) -> list[Artifact]:
        """Return the complete artifacts."""

    def newest(self, recipe: str | None = None, stage: str | None = None) -> Artifact | None:
        """Return the one that was finished last."""

    def open_version(self, reference: Reference) -> Artifact | None:
        """Return the one of a reference with a version."""


def resolve(store: Shelf, text: str) -> Artifact:
    """Return the artifact of a reference or a path; see `spirl_cli.store.store.Store.resolve`."""
    reference = parse_reference(text)
    if reference is not None and os.path.isdir(store.root / reference.recipe / reference.stage):
        return _resolve_reference(store, reference)
    path = _versioned(expanded(text))
    if text and os.path.exists(path):  # unlike Path.exists it never raises, whatever the name
        return _resolve_path(store, path)
    raise _unknown(store, text)


def known_references(store: Shelf) -> list[str]:
    """Every reference that can be typed: `recipe/stage` and `recipe/stage@vN`, sorted."""
    artifacts = store.artifacts()
    short = {f"{item.manifest.recipe}/{item.manifest.stage}" for item in artifacts if not item.manifest.quick}
    return sorted(short | {item.reference for item in artifacts})


def _resolve_reference(store: Shelf, reference: Reference) -> Artifact:
    if reference.version is None:
        artifact = store.newest(reference.recipe, reference.stage)
    else:
        artifact = store.open_version(reference)
    if artifact is None:
        raise _no_version(store, reference)
    return artifact


def _no_version(store: Shelf, reference: Reference) -> ArtifactError:
    there = store.artifacts(reference.recipe, reference.stage)
    versions = ", ".join(f"v{item.manifest.version}" for item in there)
    if not there:
        message = f"{reference} does not exist: no complete artifact is in {store.root}"
        return ArtifactError(message, hint=_list_hint(store))
    if reference.version is None:
        message = f"{reference} has only artifacts of the quick profile ({versions}), which are never picked by name"
        return ArtifactError(message, hint=f"name the version: {there[-1].reference}")
    short = Reference(reference.recipe, reference.stage)
    return ArtifactError(f"{short} has no version {reference.version}; there is {versions}", hint=_list_hint(store))


def _resolve_path(store: Shelf, path: Path) -> Artifact:
    folder = path.parent if path.name == MANIFEST else path
    if parse_run_folder(folder.name) is not None:
        raise ArtifactError(f"{folder} is an unfinished run, not an artifact", hint="run its stage again to finish it")
    if not (folder / MANIFEST).is_file():
        inside = [item.parent for item in sorted(folder.glob(f"v*/{MANIFEST}"))]
        newest = _newest(inside)
        if newest is not None:
            return newest
        names = ", ".join(item.name for item in inside)
        hint = f"name one of {names} in it" if inside else _list_hint(store)
        raise ArtifactError(f"{folder} is not an artifact: it has no {MANIFEST}", hint=hint)
    return open_complete(folder)


def _versioned(path: Path) -> Path:
    """Return the folder of a version that was written as `FOLDER/recipe/stage@v3`; another path as it is."""
    stage, _, version = path.name.rpartition("@")
    number = version.removeprefix("v")
    if not (stage and number.isascii() and number.isdigit()) or os.path.exists(path):
        return path
    found = (item for item in path.with_name(stage).glob("v*-*") if _version(item) == int(number))
    return next(found, path)


def _version(folder: Path) -> int | None:
    parsed = parse_version_folder(folder.name)
    return None if parsed is None else parsed[0]


def _newest(folders: Sequence[Path]) -> Artifact | None:
    """Return the artifact that was finished last, of those that are complete and of no quick profile."""
    found = []
    for folder in folders:
        with contextlib.suppress(ArtifactError):
            found.append(open_complete(folder))
    usable = [artifact for artifact in found if not artifact.manifest.quick]
    return max(usable, key=lambda item: (item.manifest.finished, item.manifest.version), default=None)


def _unknown(store: Shelf, text: str) -> ArtifactError:
    known = known_references(store)
    return ArtifactError(
        f"there is no artifact '{text}' in {store.root}.{did_you_mean(text, known)}", hint=_list_hint(store)
    )


def _list_hint(store: Shelf) -> str:
    return f"`spirl list --artifacts {store.root}` shows what is there"
