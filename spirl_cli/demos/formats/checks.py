"""What the readers of all formats share: refusals of what is damaged, hollow, missing or not continuous."""

from __future__ import annotations

import importlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from spirl_cli.errors import DatasetError

T = TypeVar("T")

# What the libraries raise on files that are cut, overwritten or made up.
DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
    struct.error,
)
HOLLOW_BYTES = 64 * 2**20  # an array may declare so much more than its file stores
DAMAGED_HINT = "the file looks damaged or incomplete: compare it with the original, or copy it again"


@contextmanager
def damage_refused(where: str) -> Iterator[None]:
    """Turn the errors of a library on a damaged file into one that names the file.

    Args:
        where: format and file, and what is read of it.

    Raises:
        DatasetError: anything of `DAMAGE` was raised inside.
    """
    try:
        yield
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = f"{reason} is missing" if isinstance(error, KeyError) else reason
        raise DatasetError(f"{where} cannot be read: {reason}", DAMAGED_HINT) from error


def guarded(where: str, episodes: Iterator[T]) -> Iterator[T]:
    """Yield from an iterator; errors of its reading (not of its reader) become a `DatasetError`."""
    while True:
        with damage_refused(where):
            try:
                episode = next(episodes)
            except StopIteration:
                return
        yield episode


def refuse_hollow(where: str, declared: int, stored: int) -> None:
    """Refuse an array that claims to be far larger than what is stored, before memory is allocated.

    Args:
        where: format, file and array.
        declared: bytes that its shape stands for.
        stored: bytes that the stored part of it can stand for.

    Raises:
        DatasetError: the difference exceeds `HOLLOW_BYTES`.
    """
    if declared > stored + HOLLOW_BYTES:
        raise DatasetError(f"{where} declares {declared:,} bytes of data, but only {stored:,} are stored", DAMAGED_HINT)


def action_size(where: str, shape: tuple[int, ...], dtype: Any) -> int:
    """Return the size A of an action from the shape (N, A) and type of stored actions.

    Raises:
        DatasetError: they are not floating-point numbers, or have another number of axes.
    """
    if getattr(dtype, "kind", "O") != "f":
        raise DatasetError(
            f"{where}: the actions are of type {dtype}, not continuous",
            "skills need continuous actions; where whole numbers stand for such, store them as float32",
        )
    if len(shape) != 2:
        raise DatasetError(f"{where}: the actions have shape {tuple(shape)}; expected (steps, size)")
    return int(shape[1])


def stored_bounds(where: str, attributes: Any, size: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the attributes `action_low` and `action_high` as (A,) each, or None if they are missing.

    Raises:
        DatasetError: they do not fit the actions.
    """
    if "action_low" not in attributes or "action_high" not in attributes:
        return None
    try:
        low, high = (np.asarray(attributes[name], np.float32) for name in ("action_low", "action_high"))
        return np.broadcast_to(low, (size,)), np.broadcast_to(high, (size,))
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{where}: `action_low` and `action_high` do not fit {size} actions") from error


def load_extra(module: str, extra: str, what: str) -> ModuleType:
    """Import an optional library.

    Args:
        module: its name.
        extra: the optional dependency of spirl that installs it.
        what: the dataset that needs it, for the message.

    Raises:
        DatasetError: it is not installed; the hint says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise DatasetError(
            f"{what} is read with {name}, which is not installed ({error})",
            f"pip install 'spirl[{extra}]', or pip install {name}",
        ) from error


def first_bytes(path: Path, count: int = 64) -> bytes:
    """Return the beginning of a file.

    Raises:
        DatasetError: it cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise DatasetError(f"{path} cannot be opened: {error.strerror or error}") from error


def refuse_git_lfs(path: Path) -> None:
    """Refuse the small text file that Git leaves in place of a large file.

    Raises:
        DatasetError: the file is such a pointer.
    """
    if first_bytes(path, 24).startswith(b"version https://git-lfs."):
        raise DatasetError(
            f"{path} is a Git LFS pointer: the data themselves were not downloaded",
            "run `git lfs pull` in the repository that it comes from",
        )
