"""Finding artifacts: by fingerprint, by reference, by nearness; and removing them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.files import discard, expanded, sweep
from spirl_cli.payload import STAGE_NAMES
from spirl_cli.store.artifact import Artifact, open_complete
from spirl_cli.store.diff import differences
from spirl_cli.store.index import FEW, Index
from spirl_cli.store.leaves import differing, leaves
from spirl_cli.store.lineage import Ancestor, ancestors, users
from spirl_cli.store.locks import hold, run_lock, stage_lock, written_store
from spirl_cli.store.names import SWEEPS, Reference, parse_version_folder, run_folder, version_folder
from spirl_cli.store.references import resolve
from spirl_cli.store.runs import RunInfo, read_run

ROOT_VARIABLE = "SPIRL_ARTIFACTS"
Found = TypeVar("Found", bound=Artifact | None)


@dataclass(frozen=True)
class Broken:
    """A folder that is named like an artifact and is none, and why.

    `artifact` is what its manifest says, where that is sound and only files are missing or cut short.
    """

    path: Path
    problem: str
    artifact: Artifact | None = None


@dataclass(frozen=True)
class Contents:
    """What a store holds: complete artifacts, in the order in which they were finished, and broken ones."""

    artifacts: list[Artifact]
    broken: list[Broken]


@dataclass(frozen=True)
class Store:
    """All artifacts below a folder, which need not exist. What counts is on disk: each answer reads it."""

    root: Path

    def artifacts(self, recipe: str | None = None, stage: str | None = None) -> list[Artifact]:
        """Return the complete artifacts, in the order in which they were finished.

        Complete means that the manifest is sound and every file is there with the right size;
        checksums are compared when a file is used.
        """
        return self.look(recipe, stage).artifacts

    def broken(self, recipe: str | None = None, stage: str | None = None) -> list[Broken]:
        """Return the folders of artifacts that `artifacts` leaves out, with the reason."""
        return self.look(recipe, stage).broken

    def look(self, recipe: str | None = None, stage: str | None = None, fingerprint: str | None = None) -> Contents:
        """Return what `artifacts` and `broken` do, of one moment; a fingerprint leaves other folders unread."""
        unreadable, folders = self._version_folders(recipe, stage, fingerprint)
        index = Index.of_store(self.root) if len(folders) >= FEW else None
        entries = [_read_entry(path, index) for path in folders]
        found = sorted((entry for entry in entries if isinstance(entry, Artifact)), key=_finished)
        if index is not None:
            whole = recipe is None and stage is None and fingerprint is None
            index.save([artifact.sha256 for artifact in found] if whole else None)
        return Contents(found, [*unreadable, *(entry for entry in entries if isinstance(entry, Broken))])

    def find(self, stage: str, fingerprint: str, recipe: str | None = None) -> Artifact | None:
        """Return the newest complete artifact with a fingerprint: of the recipe if it has one, else of any."""
        found = self.look(stage=stage, fingerprint=fingerprint).artifacts
        own = [item for item in found if item.head.recipe == recipe]
        candidates = own or found
        return candidates[-1] if candidates else None

    def newest(self, recipe: str | None = None, stage: str | None = None) -> Artifact | None:
        """Return the artifact that was finished last; those of a quick profile do not count."""
        found = [item for item in self.artifacts(recipe, stage) if not item.head.quick]
        return found[-1] if found else None

    def resolve(self, reference: str, stage: str | None = None) -> Artifact:
        """Return the artifact that `kitchen/skills`, `kitchen/skills@v3` or a path stands for.

        Args:
            reference: without a version it is the newest, quick profiles left out.
            stage: the stage that the artifact must be of, None for any.

        Raises:
            ArtifactError: when there is none, it is corrupt, or of another stage.
        """
        artifact = resolve(self, reference.strip())
        if stage is not None and artifact.manifest.stage != stage:
            raise ArtifactError(
                f"'{reference.strip()}' is of stage '{artifact.manifest.stage}', but one of stage '{stage}' is needed"
            )
        return artifact

    def open_version(self, reference: Reference) -> Artifact | None:
        """Return the artifact of a reference with a version, None when there is none.

        Raises:
            ArtifactError: when it is there and corrupt or incomplete.
        """
        for path in _children(self.root / reference.recipe / reference.stage):
            parsed = parse_version_folder(path.name)
            if parsed is not None and parsed[0] == reference.version:
                return open_complete(path)
        return None

    def nearest(self, stage: str, parameters: Mapping[str, Any], limit: int = 3) -> list[tuple[Artifact, list[str]]]:
        """Return the artifacts of a stage whose parameters differ least, newest first among equals.

        Returns:
            pairs of an artifact and lines such as `horizon: 10 → 5`: its value → the given one.
        """
        wanted, candidates = set(leaves(parameters)), list(reversed(self.artifacts(stage=stage)))
        closest = sorted(candidates, key=lambda artifact: len(differing(wanted, artifact.head.leaves)))[:limit]
        return [(one, [str(item) for item in differences(one.manifest.parameters, parameters)]) for one in closest]

    def lineage(self, artifact: Artifact) -> tuple[Ancestor, ...]:
        """Return the tree of inputs of an artifact, looked up here and in the store that it lies in."""
        known = self.artifacts()
        home = artifact.path.parent.parent.parent
        if home.resolve() != self.root.resolve():
            known = [*Store(home).artifacts(), *known]
        return ancestors(artifact, known)

    def dependents(self, artifact: Artifact) -> list[Artifact]:
        """Return the artifacts that were made directly from this one."""
        return users(artifact, self.artifacts())

    def remove(self, artifact: Artifact, force: bool = False) -> None:
        """Delete an artifact; it vanishes at once, and what was made from it stays.

        Raises:
            UsageError: when it lies outside this store, or others were made from it and `force`
                is false.
        """
        folder = artifact.path.parent
        if folder.parent.parent.resolve() != self.root.resolve():
            raise UsageError(f"{artifact.path} is not in the store {self.root}", hint="name its store with --artifacts")
        if not force and (others := self.dependents(artifact)):
            names = ", ".join(other.reference for other in others)
            raise UsageError(
                f"{artifact.reference} cannot be removed: {names} {'was' if len(others) == 1 else 'were'} made from it",
                hint="remove what was made from it first, or add --force",
            )
        with written_store(self.root), stage_lock(folder):
            discard(artifact.path)
            sweep(folder)

    def runs(self, recipe: str | None = None, stage: str | None = None) -> list[RunInfo]:
        """Return the unfinished runs, those in progress included."""
        found = []
        for folder in self._stage_folders(recipe, stage):
            with contextlib.suppress(ArtifactError):  # `broken` names folders that cannot be read
                found += [run for path in _children(folder) if (run := read_run(path)) is not None]
        return found

    def run(self, recipe: str, stage: str, fingerprint: str) -> RunInfo | None:
        """Return the unfinished run of a fingerprint, None when there is none."""
        return read_run(self.run_folder(recipe, stage, fingerprint))

    def remove_run(self, run: RunInfo) -> None:
        """Delete an unfinished run with its checkpoints.

        Raises:
            ArtifactError: while a process works on it.
        """
        lock = run_lock(run.path.parent, run.fingerprint)
        with written_store(self.root), hold(lock, f"{run.recipe}/{run.stage}", wait=False):
            discard(run.path)

    def run_folder(self, recipe: str, stage: str, fingerprint: str) -> Path:
        """Where a run with a fingerprint works, whether it exists or not."""
        return self.root / recipe / stage / run_folder(fingerprint)

    def _stage_folders(self, recipe: str | None, stage: str | None) -> Iterator[Path]:
        recipes = _children(self.root) if recipe is None else [self.root / recipe]
        recipes = [folder for folder in recipes if folder.name != SWEEPS]
        for folder in recipes:
            for name in STAGE_NAMES if stage is None else (stage,):
                if name in STAGE_NAMES and not folder.name.startswith("."):
                    yield folder / name

    def _version_folders(
        self, recipe: str | None, stage: str | None, fingerprint: str | None
    ) -> tuple[list[Broken], list[Path]]:
        """Return folders that cannot be read, and those that are named like artifacts."""
        unreadable: list[Broken] = []
        found: list[Path] = []
        for folder in self._stage_folders(recipe, stage):
            try:
                named = ((name, parse_version_folder(name)) for name in _names(folder))
                found += [folder / name for name, parsed in named if parsed and fingerprint in (None, parsed[1])]
            except ArtifactError as error:  # a folder of somebody else, in a store that is shared
                unreadable.append(Broken(folder, error.message))
        return unreadable, found


def default_root(option: str | Path | None = None) -> Path:
    """Root of the store: the option if given, else `SPIRL_ARTIFACTS`, else `./artifacts`."""
    return expanded(option or os.environ.get(ROOT_VARIABLE) or "artifacts")


def reference_store() -> Store | None:
    """Return the artifacts that are tracked in a checkout; None when the package is not in a checkout."""
    folder = Path(__file__).resolve().parents[2] / "artifacts" / "reference"
    return Store(folder) if folder.is_dir() else None


def look_up(store: Store, look: Callable[[Store], Found]) -> Found:
    """Look in a store; what it does not have is taken from the reference artifacts of a checkout.

    Args:
        store: the user's own.
        look: finds an artifact in a store; returns None or raises `ArtifactError` where there is none.

    Raises:
        ArtifactError: neither has it; what is wrong with the user's own store is the more helpful thing to say.
    """
    shipped = reference_store()
    if shipped is None:
        return look(store)
    try:
        found = look(store)
    except ArtifactError:
        with contextlib.suppress(ArtifactError):
            return look(shipped)
        raise
    return look(shipped) if found is None else found


def _finished(artifact: Artifact) -> tuple[str, int]:
    return artifact.head.finished, artifact.head.version


def _read_entry(path: Path, index: Index | None) -> Artifact | Broken:
    try:
        artifact = Artifact.open(path, index)
    except ArtifactError as error:
        return Broken(path, error.message)
    head = artifact.head
    found = (path.parent.parent.name, path.parent.name, path.name)
    if found != (head.recipe, head.stage, version_folder(head.version, head.fingerprint)):
        return Broken(path, f"{path} is named unlike its manifest, which says {artifact.reference}")
    if problem := artifact.incomplete():
        return Broken(path, f"{artifact.reference} is incomplete: {problem}", artifact)
    return artifact


def _children(folder: Path) -> list[Path]:
    return [folder / name for name in _names(folder)]


def _names(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ArtifactError(f"{folder} cannot be read: {error.strerror}") from error
