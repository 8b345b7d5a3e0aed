"""Files that exist whole or not at all, also after a power cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` to write; on success it takes ``path``'s place.

    Content reaches the disk before the name does: a crash at any moment leaves either the old
    file or the new one under ``path``, plus at most a hidden ``.NAME.tmp``, which the next
    writer of the same name overwrites. Callers make sure that there is one writer at a time.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
