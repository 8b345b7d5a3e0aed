"""The checksum of a dataset's content, cached so that it is computed once.

The cache is a small JSON file in the user's cache folder (`$XDG_CACHE_HOME/spirl`, else `~/.cache/spirl`), if there
is one. An entry is valid as long as no file changes its path, size or time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spirl_cli.demos.dataset import Dataset
from spirl_cli.errors import DatasetError
from spirl_cli.files import cache_folder, make_folder, write_whole
from spirl_cli.room import DiskFullError
from spirl_cli.store.fingerprint import canonical, sha256_file

REMEMBERED = 200  # datasets


@dataclass(frozen=True)
class DatasetIdentity:
    """Name, checksum and size of a dataset.

    Attributes:
        source: `minari`, `hdf5` or `planner`.
        name: name in the recipe.
        sha256: checksum over the names and contents of all files; for generated episodes, over everything that decides
            them.
        episodes, steps: size of the whole dataset; steps is None if only generating the episodes can tell.
    """

    source: str
    name: str
    sha256: str
    episodes: int
    steps: int | None

    @property
    def reference(self) -> str:
        """Name of the dataset in manifests and messages, such as `minari:D4RL/kitchen/mixed-v2`."""
        return f"{self.source}:{self.name}"


@dataclass(frozen=True)
class JoinedIdentity(DatasetIdentity):
    """The identity of several datasets, each by its content, in the order of the recipe."""

    parts: tuple[DatasetIdentity, ...] = ()

    @property
    def reference(self) -> str:
        """Names of the datasets, with plus signs between them."""
        return " + ".join(part.reference for part in self.parts)


def joined_identity(parts: Sequence[DatasetIdentity]) -> JoinedIdentity:
    """Return the identity of several datasets.

    Raises:
        DatasetError: two of them hold the same data.
    """
    seen: dict[str, str] = {}
    for part in parts:
        if part.sha256 in seen:
            raise DatasetError(
                f"{part.reference} holds the same data as {seen[part.sha256]}: what is held out of one would be "
                "trained on in the other",
                "name it once in extract.dataset",
            )
        seen[part.sha256] = part.reference
    steps = [part.steps for part in parts]
    total = hashlib.sha256("\n".join(seen).encode()).hexdigest()
    return JoinedIdentity(
        source="several",
        name=" + ".join(part.name for part in parts),
        sha256=total,
        episodes=sum(part.episodes for part in parts),
        steps=None if None in steps else sum(step for step in steps if step is not None),
        parts=tuple(parts),
    )


def identity_of(source: Dataset) -> DatasetIdentity:
    """Return the identity of a local dataset, from the cache if its files are unchanged."""
    files = source.files()
    key = _key(files, getattr(source, "selection", None))
    known = _remembered().get(key)
    if known is None:
        contents = source.contents()
        known = {"sha256": _checksum(files), **asdict(contents)}
        _remember(key, known)
    return DatasetIdentity(source.kind, source.name, **known)


def generated_identity(source: str, name: str, episodes: int, decides: Mapping[str, Any]) -> DatasetIdentity:
    """Return the identity of generated episodes, which need not exist yet.

    Args:
        source, name: as in `DatasetIdentity`.
        episodes: number of episodes.
        decides: all other inputs of the episodes, as JSON values.
    """
    text = json.dumps(canonical({**decides, "episodes": episodes}), sort_keys=True, separators=(",", ":"))
    return DatasetIdentity(source, name, hashlib.sha256(text.encode()).hexdigest(), episodes, None)


def _checksum(files: list[Path]) -> str:
    """Return a checksum over the files' contents, and their names relative to the common folder."""
    folder = Path(os.path.commonpath([path.parent for path in files])) if files else Path()
    total = hashlib.sha256()
    for path in files:
        name = path.relative_to(folder).as_posix() if len(files) > 1 else ""
        total.update(f"{name}\0{sha256_file(path)}\n".encode())
    return total.hexdigest()


def _key(files: list[Path], selection: str | None = None) -> str:
    """Return what an entry of the memory is found by: the files, and which part of them is read if not all."""
    facts: list[Any] = [
        (str(path.resolve()), stat.st_size, stat.st_mtime_ns) for path in files for stat in [path.stat()]
    ]
    facts += [] if selection is None else [selection]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _memory() -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / "datasets.json"


def _remembered() -> dict[str, Any]:
    path = _memory()
    try:
        entries = {} if path is None else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _remember(key: str, entry: dict[str, Any]) -> None:
    """Write the entry; without a cache folder, or one that cannot be written, only time is lost."""
    path = _memory()
    if path is None:
        return
    newest = list({**_remembered(), key: entry}.items())[-REMEMBERED:]
    try:
        make_folder(path.parent)
        write_whole(path, json.dumps(dict(newest), indent=1).encode())
    except (OSError, DiskFullError):
        return
