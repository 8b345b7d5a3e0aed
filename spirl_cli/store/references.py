"""From what a person types to an artifact, with an answer that helps when there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from spirl_cli.errors import ArtifactError, did_you_mean
from spirl_cli.files import expanded
from spirl_cli.store.artifact import Artifact, open_complete
from spirl_cli.store.names import MANIFEST, Reference, parse_reference, parse_run_folder


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
    path = expanded(text)
    if text and os.path.exists(path):  # unlike Path.exists it never raises, whatever the name
        return _resolve_path(store, path)
    raise _unknown(store, text)


def known_references(store: Shelf) -> list[str]:
    """Every reference that can be typed: `recipe/stage` and `recipe/stage@vN`, sorted."""
    artifacts = store.artifacts()
    short = {f"{item.head.recipe}/{item.head.stage}" for item in artifacts if not item.head.quick}
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
    versions = ", ".join(f"v{item.head.version}" for item in there)
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
        inside = [item.parent.name for item in sorted(folder.glob(f"v*/{MANIFEST}"))]
        hint = f"name one of {', '.join(inside)} in it" if inside else _list_hint(store)
        raise ArtifactError(f"{folder} is not an artifact: it has no {MANIFEST}", hint=hint)
    return open_complete(folder)


def _unknown(store: Shelf, text: str) -> ArtifactError:
    known = known_references(store)
    return ArtifactError(
        f"there is no artifact '{text}' in {store.root}.{did_you_mean(text, known)}", hint=_list_hint(store)
    )


def _list_hint(store: Shelf) -> str:
    return f"`spirl list --artifacts {store.root}` shows what is there"
