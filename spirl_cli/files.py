"""Crash-safe file operations: what they return from is on disk, what they leave behind is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

_TRASH = ".trash-"


def fsync_file(path: Path) -> None:
    """Block until the content of a file is on disk."""
    # Windows syncs only what is open for writing; elsewhere reading is enough, also on read-only files.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(path: Path) -> None:
    """Block until the names in a folder are on disk (Windows has no such call, and needs none)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that readers, also after a crash, see the old content or the new one."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def link_or_copy(source: Path, destination: Path) -> None:
    """Give a file a second name; where the file system has no hard links, copy it."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def files_below(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yield, sorted and once each, the files that relative names of files and folders stand for.

    Raises:
        ValueError: for a name that leads out of the folder.
        FileNotFoundError: for a name that does not exist.
    """
    found: set[Path] = set()
    for name in names:
        relative = Path(name)
        if relative.is_absolute() or ".." in relative.parts:
            raise ValueError(f"'{name}' leads out of the run's folder")
        path = folder / relative
        if path.is_dir():
            found.update(file for file in path.rglob("*") if file.is_file())
        elif path.is_file():
            found.add(path)
        else:
            raise FileNotFoundError(f"the stage did not write '{name}' in {folder}")
    yield from sorted(found)


def discard(path: Path) -> None:
    """Delete a folder so that it vanishes at once, even when the deletion is cut short."""
    trash = path.parent / f"{_TRASH}{os.getpid()}-{path.name}"
    shutil.rmtree(trash, ignore_errors=True)
    try:
        os.replace(path, trash)
    except FileNotFoundError:
        return
    shutil.rmtree(trash, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Finish the deletions in a folder that an earlier process could not finish."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{_TRASH}*"):
            shutil.rmtree(path, ignore_errors=True)
