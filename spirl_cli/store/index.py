"""What manifests say, remembered by their checksums, so that a store of thousands is listed at once.

The index is a file in the user's cache folder. It never answers for a file that has changed: each manifest is read and
hashed each time, and only its decoding and its checks are spared where the very same bytes were decoded before. So it
may be missing, old, or written by two processes at once; whoever decodes many manifests writes it anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from spirl_cli.files import cache_folder, write_whole
from spirl_cli.store.head import Head

FORMAT = 1
FEW = 64  # so many manifests are decoded in less time than it takes to write the index
# Modules that decide which manifests are sound and what a head holds: a change to them starts a new index.
_RULES = (
    "changes",
    "fingerprint",
    "head",
    "index",
    "leaves",
    "manifest",
    "manifest_file",
    "names",
    "../payload",
    "../printable",
)


class Index:
    """Heads of manifests by the checksum of their bytes.

    Args:
        path: its file; None keeps nothing.
        heads: what it holds.
    """

    def __init__(self, path: Path | None, heads: dict[str, Head]) -> None:
        self._path = path
        self._heads = heads
        self._added = 0

    @classmethod
    def of_store(cls, root: Path) -> Index:
        """Return the index of a store; it is empty where there is none, or it is damaged or of another version."""
        path = _path(root)
        stamp = None if path is None else _stamp(path)
        return cls(path, {}) if path is None or stamp is None else _opened(path, stamp)

    def get(self, sha256: str) -> Head | None:
        """Return the head of the manifest with this checksum, None where it was not decoded before."""
        return self._heads.get(sha256)

    def add(self, sha256: str, head: Head) -> None:
        """Remember what the manifest with this checksum says."""
        self._heads[sha256] = head
        self._added += 1

    def save(self, there: Iterable[str] | None = None) -> None:
        """Write the file if many heads are new; it saves time only, so a folder that cannot be written is no error.

        Args:
            there: checksums of all manifests of the store, if they were looked at: others are left out.
        """
        if self._path is None or self._added < FEW:
            return
        keep = self._heads if there is None else {key: self._heads[key] for key in there if key in self._heads}
        self._added = 0
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, _encoded(keep))


def _path(root: Path) -> Path | None:
    folder, rules = cache_folder(), _rules()
    if folder is None or rules is None:
        return None
    name = hashlib.sha256(f"{rules} {os.path.realpath(root)}".encode("utf-8", "surrogateescape")).hexdigest()
    return folder / "index" / f"{name[:32]}.json"


@lru_cache(maxsize=2)
def _opened(path: Path, stamp: tuple[int, int, int]) -> Index:
    """Read a file once, and again when another one took its place."""
    return Index(path, _read(path))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells a file from the one that was there before, None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


@cache
def _rules() -> str | None:
    """Return a checksum of the code that decodes and checks manifests; None where its source is not there."""
    folder, digest = Path(__file__).parent, hashlib.sha256(str(FORMAT).encode())
    try:
        for name in _RULES:
            digest.update((folder / f"{name}.py").read_bytes())
    except OSError:
        return None
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Head]:
    """Return the heads of a file; of a damaged one none."""
    try:
        checksum, _, body = path.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != checksum:
            return {}
        content = json.loads(body)
        leaves, files = ([tuple(pair) for pair in content[name]] for name in ("leaves", "files"))
        return {sha256: _decoded(row, leaves, files) for sha256, row in content["heads"].items()}
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return {}


def _decoded(row: list[Any], leaves: list[Any], files: list[Any]) -> Head:
    *plain, file_numbers, inputs, leaf_numbers = row
    named = [files[number] for number in file_numbers]
    return Head._make([*plain, named, inputs, [leaves[number] for number in leaf_numbers]])


def _encoded(heads: dict[str, Head]) -> bytes:
    """Write each leaf of parameters, and each name of a file with its size, once."""
    leaves = _numbered(leaf for head in heads.values() for leaf in head.leaves)
    files = _numbered(file for head in heads.values() for file in head.files)
    rows = {
        sha256: [
            *head[:-3],
            [files[file] for file in head.files],
            head.inputs,
            [leaves[leaf] for leaf in head.leaves],
        ]
        for sha256, head in heads.items()
    }
    content = {"leaves": list(leaves), "files": list(files), "heads": rows}
    body = json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _numbered(items: Iterable[Any]) -> dict[Any, int]:
    return {item: number for number, item in enumerate(dict.fromkeys(items))}
