"""Trajectories in an npz file of flat arrays, as OGBench publishes them.

``observations`` (N, D), or images (N, rows, columns, channels), ``actions`` (N, A) and ``terminals`` (N,): an episode
of T steps has T+1 rows, and the flag is on its last *state*, whose action means nothing. That is the layout of
`spirl_cli.demos.formats.flat`, which drops this action; ``timeouts`` and ``next_observations`` are read too where they
are there, and other arrays of N rows as observations by their names.

The arrays are unpacked while they are read, so that memory holds one episode. Nothing is unpickled.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from spirl_cli.demos.dataset import Contents, StoredEpisode
from spirl_cli.demos.formats.checks import action_size, damage_refused, guarded
from spirl_cli.demos.formats.flat import FlatEpisodes, LazyArrays
from spirl_cli.errors import DatasetError
from spirl_cli.files import expanded

_NEEDED = ("observations", "actions")
_SKIP_BYTES = 2**20  # read at once where rows are passed over


class OGBenchFile:
    """An npz file of flat arrays; see the module for its layout.

    Attributes:
        notes: what was found and mended, as sentences.
    """

    kind = "ogbench"

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = expanded(name)
        self._flat = FlatEpisodes(self._where, self._arrays)
        self.notes = self._flat.notes

    def files(self) -> list[Path]:
        """Return the file itself."""
        return [self._path]

    def contents(self) -> Contents:
        """Count episodes and steps from the end-of-episode flags."""
        with damage_refused(self._where):
            return self._flat.contents()

    def action_bounds(self) -> None:
        """Return None: the format has no bounds."""
        self.action_dim()

    def action_dim(self) -> int:
        """Return the size A of an action."""
        with damage_refused(self._where), self._arrays() as arrays:
            return action_size(self._where, arrays["actions"].shape, arrays["actions"].dtype)

    def outcomes(self, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield those of the named arrays that are there, one number for each step."""
        with damage_refused(self._where), self._arrays() as arrays:
            for name in names:
                if name in arrays:
                    yield name, arrays[name][:]

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes; memory holds one of them."""
        return guarded(self._where, self._flat.episodes())

    @property
    def _where(self) -> str:
        return f"npz file {self.name}"

    @contextmanager
    def _arrays(self) -> Iterator[Mapping[str, Any]]:
        with ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(self._path))
            members = npz_members(archive)
            missing = [name for name in _NEEDED if name not in members]
            if missing:
                raise DatasetError(
                    f"{self._where} has no {' and no '.join(missing)}, only: {', '.join(sorted(members)) or 'nothing'}"
                )
            yield LazyArrays(members, partial(self._opened, stack, archive))

    def _opened(self, stack: ExitStack, archive: zipfile.ZipFile, name: str) -> StreamedArray:
        member = archive.getinfo(f"{name}.npy")
        return StreamedArray(
            f"{self._where}: `{name}`", lambda: stack.enter_context(archive.open(member)), member.file_size
        )


def npz_members(archive: zipfile.ZipFile) -> set[str]:
    """Return the names of the arrays in an npz file."""
    return {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}


class StreamedArray:
    """An array in NumPy's format that is read from the first row to the last; going back starts again.

    Args:
        where: file and array, for messages.
        opened: opens the unpacked bytes.
        size: number of these bytes.

    Attributes:
        shape, dtype: as of an array.

    Raises:
        DatasetError: it holds Python objects, is stored column by column, or is not as long as it declares.
    """

    def __init__(self, where: str, opened: Callable[[], IO[bytes]], size: int) -> None:
        self._where, self._open, self._stream, self._next = where, opened, opened(), 0
        self.shape, fortran, self.dtype = _header(where, self._stream)
        if self.dtype.hasobject:
            raise DatasetError(f"{where} holds Python objects, which are never unpickled", "store arrays of numbers")
        if not self.shape:
            raise DatasetError(f"{where} is a single number, not an array")
        if fortran and len(self.shape) > 1:
            raise DatasetError(
                f"{where} is stored column by column (Fortran order), so that rows cannot be read one after the other",
                "store numpy.ascontiguousarray(array)",
            )
        self._row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        declared = self._stream.tell() + self.shape[0] * self._row_bytes
        if declared != size:
            raise DatasetError(
                f"{where} declares the shape {self.shape}, {declared:,} bytes, but {size:,} are stored",
                "the file looks damaged or incomplete: compare it with the original, or copy it again",
            )

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some rows."""
        first, stop, _ = rows.indices(len(self))
        if first < self._next:
            self._stream.close()
            self._stream, self._next = self._open(), 0
            _header(self._where, self._stream)
        self._skip((first - self._next) * self._row_bytes)
        count = max(stop - first, 0)
        data = self._exactly(count * self._row_bytes)
        self._next = first + count
        return np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])

    def _skip(self, count: int) -> None:
        while count > 0:
            count -= len(self._exactly(min(count, _SKIP_BYTES)))

    def _exactly(self, count: int) -> bytes:
        data = self._stream.read(count) if count else b""
        if len(data) != count:
            raise EOFError(f"{self._where} ends early")
        return data


def _header(where: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header of an array: shape, whether it is stored column by column, type."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise DatasetError(f"{where} is of version {version} of NumPy's format, which is not read")
    return read(stream)
