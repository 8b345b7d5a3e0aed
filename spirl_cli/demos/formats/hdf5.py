"""Trajectories in HDF5 files: one D4RL file, or a folder with a file per episode.

**D4RL file**: flat arrays over all steps, ``observations`` (N, D), ``actions`` (N, A),
``terminals`` (N,) and ``timeouts`` (N,); an episode ends where one of these is true (one of
them may be missing if the other marks every end). D4RL stores no last state: if
``next_observations`` (N, D) is there it comes from that, else the episode's last action is
dropped.

**Folder of rollouts**: every ``*.hdf5`` or ``*.h5`` file is one episode of T steps, in the order
of their names (so pad numbers with zeros), with ``observations`` and ``actions`` (T, A).
``observations`` has T+1 rows, the last state included: an array, or a group of arrays (nested
groups too) that the recipe selects from by key. Anything else in a file is ignored.

In both, the attributes ``action_low`` and ``action_high`` (a number or A numbers) of the (first)
file give the bounds of the actions; without them the recipe must (``extract.action_bounds``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spirl_cli.demos.dataset import Contents, StoredEpisode
from spirl_cli.errors import DatasetError
from spirl_cli.files import expanded

SUFFIXES = (".hdf5", ".h5")
FLAG_ROWS = 1_000_000  # end-of-episode flags read at once


def open_hdf5(name: str) -> FlatFile | RolloutFolder:
    """Open the D4RL file or folder of rollouts called ``name``.

    Raises:
        DatasetError: there is nothing at this path.
    """
    path = expanded(name)
    if path.is_dir():
        return RolloutFolder(name)
    if path.is_file():
        return FlatFile(name)
    raise DatasetError(f"{name}: no such file or folder", "name a D4RL HDF5 file or a folder of HDF5 rollouts")


class FlatFile:
    """A D4RL HDF5 file; see the module for its layout."""

    kind = "hdf5"

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = expanded(name)

    def files(self) -> list[Path]:
        """Return the file itself."""
        return [self._path]

    def contents(self) -> Contents:
        """Count episodes and steps from the end-of-episode flags."""
        with _open(self._path) as file:
            spans = list(self._spans(file))
        return Contents(len(spans), sum(stop - first for first, stop in spans))

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the bounds in the file's attributes, or None."""
        with _open(self._path) as file:
            return _bounds(file)

    def action_dim(self) -> int:
        """Return the size A of an action."""
        with _open(self._path) as file:
            return _action_dim(file)

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes; memory holds one of them."""
        with _open(self._path) as file:
            observations, actions = _array(file, "observations"), _array(file, "actions")
            following = file.get("next_observations")
            for number, (first, stop) in enumerate(self._spans(file)):
                if following is None:  # `stop` was moved back by one, so this row exists
                    states = observations[first : stop + 1]
                else:
                    states = np.concatenate([observations[first:stop], following[stop - 1 : stop]])
                yield StoredEpisode(number, states, actions[first:stop])

    def _spans(self, file: h5py.File) -> Iterator[tuple[int, int]]:
        """Yield the first row of every episode and the row after its last usable action."""
        rows = len(_array(file, "actions"))
        if len(_array(file, "observations")) != rows:
            raise DatasetError(
                f"{self.name}: {len(file['observations'])} observations but {rows} actions",
                "a D4RL file has as many of one as of the other",
            )
        dropped = 0 if "next_observations" in file else 1
        first = 0
        for end in self._ends(file, rows):
            yield first, end - dropped
            first = end

    def _ends(self, file: h5py.File, rows: int) -> Iterator[int]:
        """Yield the row after every episode's last; the data after the last flag is an episode too."""
        flags = [file[name] for name in ("terminals", "timeouts") if name in file]
        if not flags:
            raise DatasetError(f"{self.name}: neither `terminals` nor `timeouts` says where episodes end")
        last = 0
        for block in range(0, rows, FLAG_ROWS):
            ended = np.any([np.ravel(flag[block : block + FLAG_ROWS]).astype(bool) for flag in flags], axis=0)
            for end in block + 1 + np.flatnonzero(ended):
                last = int(end)
                yield last
        if last < rows:
            yield rows


class RolloutFolder:
    """A folder with one HDF5 file per episode; see the module for the layout."""

    kind = "hdf5"

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = expanded(name)

    def files(self) -> list[Path]:
        """Return the episodes' files in order.

        Raises:
            DatasetError: there are none.
        """
        files = sorted(path for path in self._path.iterdir() if path.suffix in SUFFIXES and path.is_file())
        if not files:
            raise DatasetError(f"{self.name}: this folder holds no {' or '.join('*' + end for end in SUFFIXES)} file")
        return files

    def contents(self) -> Contents:
        """Count the files and their actions."""
        steps = 0
        for path in self.files():
            with _open(path) as file:
                steps += len(_array(file, "actions"))
        return Contents(len(self.files()), steps)

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the bounds in the first file's attributes, or None."""
        with _open(self.files()[0]) as file:
            return _bounds(file)

    def action_dim(self) -> int:
        """Return the size A of an action in the first file."""
        with _open(self.files()[0]) as file:
            return _action_dim(file)

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes; memory holds one of them."""
        for number, path in enumerate(self.files()):
            with _open(path) as file:
                actions = _array(file, "actions")[()]
                yield StoredEpisode(number, _member(file, "observations"), actions)


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read as HDF5: {error}") from error


def _member(file: h5py.File, name: str) -> Any:
    if name not in file:
        raise DatasetError(f"{file.filename} has no `{name}`, only: {', '.join(sorted(file)) or 'nothing'}")
    return file[name]


def _array(file: h5py.File, name: str) -> h5py.Dataset:
    member = _member(file, name)
    if not isinstance(member, h5py.Dataset) or member.ndim == 0:
        raise DatasetError(f"{file.filename}: `{name}` is not an array")
    return member


def _action_dim(file: h5py.File) -> int:
    actions = _array(file, "actions")
    if actions.dtype.kind != "f":
        raise DatasetError(f"{file.filename}: the actions are of type {actions.dtype}, not continuous")
    if actions.ndim != 2:
        raise DatasetError(f"{file.filename}: the actions have shape {actions.shape}; expected (steps, size)")
    return int(actions.shape[1])


def _bounds(file: h5py.File) -> tuple[np.ndarray, np.ndarray] | None:
    if "action_low" not in file.attrs or "action_high" not in file.attrs:
        return None
    size = _action_dim(file)
    low, high = (np.asarray(file.attrs[name], np.float32) for name in ("action_low", "action_high"))
    try:
        return np.broadcast_to(low, (size,)), np.broadcast_to(high, (size,))
    except ValueError as error:
        raise DatasetError(f"{file.filename}: `action_low` and `action_high` do not fit {size} actions") from error
