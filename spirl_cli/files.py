"""Crash-safe file operations: what they return from is on disk, what they leave behind is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from spirl_cli.room import room_for

TEMPORARY_SUFFIX = ".tmp"
SEAL_SUFFIX = ".sha256"  # of the checksum beside a file (`spirl_cli/seals.py`)
_TRASH = ".trash-"
_COPY_BYTES = 2**20


def expanded(path: str | Path) -> Path:
    """Return a path with `~` as the home folder, or as it is where there is no home folder (in some containers)."""
    return Path(os.path.expanduser(path))


def working_folder_is_gone() -> bool:
    """Say whether the working folder was deleted, so that relative paths lead nowhere."""
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def cache_folder() -> Path | None:
    """Return the folder for what saves time and may be deleted; None: this user has none."""
    folder = expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return folder / "spirl" if folder.is_absolute() else None


@contextlib.contextmanager
def written_whole(path: Path, size: int | None = None) -> Iterator[Path]:
    """Yield a temporary sibling of a file to write; on success it takes the file's place.

    Content reaches the disk before the name does: a crash at any moment leaves either the old
    file or the new one under `path`, plus at most a hidden `.NAME.PROCESS.tmp`, which
    `files_below` leaves out. Two processes that write one file at once do not disturb each other.

    Args:
        path: the file, in a folder that exists (`make_folder`).
        size: bytes that the file will have, for the message when there is no room; None: not known.

    Raises:
        DiskFullError: there is no room for it; the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    with room_for(path, size):
        try:
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that readers, also after a crash, see the old content or the new one."""
    with written_whole(path, len(data)) as temporary:
        temporary.write_bytes(data)


def copy_whole(source: Path, destination: Path) -> None:
    """Copy a file's content so that the copy appears whole; its folder is created."""
    make_folder(destination.parent)
    with written_whole(destination, source.stat().st_size) as temporary:
        shutil.copyfile(source, temporary)


def copy_into(source: Path, destination: Path, offset: int) -> None:
    """Copy a file's content into another file, from this byte on; by the system itself where it can."""
    with source.open("rb") as reading, destination.open("r+b") as writing:
        copied, size = 0, source.stat().st_size
        with contextlib.suppress(OSError, AttributeError):  # not on every system or file system
            while copied < size:
                copied += (
                    os.copy_file_range(reading.fileno(), writing.fileno(), size - copied, copied, offset + copied)
                    or size
                )  # 0: the file became shorter
        reading.seek(copied)
        writing.seek(offset + copied)
        shutil.copyfileobj(reading, writing, _COPY_BYTES)


def make_folder(folder: Path) -> None:
    """Create a folder and those above it that are missing; their names are on disk afterwards."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for created in reversed(missing):
        sync(created.parent)


def publish_folder(folder: Path, destination: Path) -> None:
    """Give a complete folder its final name, in one step, after all that is in it is on disk.

    Raises:
        OSError: the destination exists and is not empty, or lies on another file system.
    """
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)
    os.replace(folder, destination)
    sync(destination.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on disk."""
    windows = os.name == "nt"
    if windows and path.is_dir():
        return  # Windows has no such call for folders, and needs none
    # Windows syncs only what is open for writing; elsewhere reading is enough, also on read-only files.
    descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_or_copy(source: Path, destination: Path) -> None:
    """Give a file a second name; where the file system has no hard links, copy it."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def files_below(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yield, sorted and once each, the files that relative names of files and folders stand for.

    Files that a crash left half written (`written_whole`), and seals, are left out of folders.

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
            found.update(file for file in path.rglob("*") if file.is_file() and not _is_aside(file))
        elif path.is_file():
            found.add(path)
        else:
            raise FileNotFoundError(f"the stage did not write '{name}' in {folder}")
    yield from sorted(found)


def discard(path: Path) -> None:
    """Delete a folder so that it vanishes at once, even when the deletion is cut short."""
    trash = path.parent / f"{_TRASH}{os.getpid()}-{path.name}"
    _delete(trash)
    try:
        os.replace(path, trash)
    except FileNotFoundError:
        return
    sync(path.parent)  # or a crash could bring the folder back without some of its files
    _delete(trash)


def sweep(folder: Path) -> None:
    """Finish the deletions in a folder that an earlier process could not finish."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{_TRASH}*"):
            _delete(path)


def _delete(path: Path) -> None:
    """Delete a folder as far as that is possible; of a link to one, the link alone."""
    if path.is_symlink():
        with contextlib.suppress(OSError):
            path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def _is_aside(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith((TEMPORARY_SUFFIX, SEAL_SUFFIX))
