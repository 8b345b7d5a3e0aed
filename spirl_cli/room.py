"""What is said when there is no room left on a disk."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from spirl_cli.errors import SpirlError
from spirl_cli.printable import size

_FULL = {
    errno.ENOSPC: "the disk of {folder} is full",
    errno.EDQUOT: "the quota on the disk of {folder} is used up",
    errno.EFBIG: "files in {folder} may not be that large (`ulimit -f`, or the file system)",
}
_HDF5_SAYS = re.compile(r"errno = (\d+)")  # what the system said to the library


class DiskFullError(SpirlError):
    """There is no room for a file (exit code 1); what was saved before is kept."""


@contextlib.contextmanager
def room_for(path: Path, needed: int | None = None) -> Iterator[None]:
    """Say what is full and how much is needed, if that is what stops the block.

    Args:
        path: what is written.
        needed: bytes that it takes in all; None: not known, more than there are.

    Raises:
        DiskFullError: the disk is full, a quota is used up, or the file is larger than a file may be.
    """
    try:
        yield
    except Exception as error:
        full = None if isinstance(error, SpirlError) else disk_full(error, path, needed)
        if full is None:
            raise
        raise full from error


def disk_full(error: Exception, path: Path | None = None, needed: int | None = None) -> DiskFullError | None:
    """Return what to say of an error that comes from a full disk, None for any other.

    Args:
        error: what was raised.
        path: what was written; None takes what the error names, or the working folder.
        needed: as of `room_for`.
    """
    number = _system_error(error)
    if number not in _FULL:
        return None
    named = error.filename if isinstance(error, OSError) else None
    path = Path(named if isinstance(named, str) else os.getcwd()) if path is None else path
    folder = next(one for one in path.absolute().parents if os.path.isdir(one))
    there, do = (_longest_file(), "allow") if number == errno.EFBIG else (_free(folder), "make room for")
    wanted = size(needed) if needed is not None and needed > there else f"more than {size(there)}"
    return DiskFullError(
        f"{_FULL[number].format(folder=folder)}: {path.name} needs {wanted}, and there are {size(there)}",
        f"{do} {wanted} and for what comes after it, then run the same command again: it goes on from what is saved",
    )


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _longest_file() -> int:
    """Return how many bytes a file of this process may have, as far as that is known."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return max(0, resource.getrlimit(resource.RLIMIT_FSIZE)[0])


def _system_error(error: BaseException | None) -> int | None:
    """Return the number by which the system says why something failed; None where it is not the system that does."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        if match := _HDF5_SAYS.search(str(error)):
            return int(match[1])
        error = error.__cause__ or error.__context__
    return None
