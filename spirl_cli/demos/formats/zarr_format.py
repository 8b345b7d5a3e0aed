"""Trajectories in a zarr folder (or zipped folder) as diffusion policy keeps them.

``data/<key>`` are flat arrays over all steps, among them ``action`` (N, A); ``meta/episode_ends``
(int64, ascending) has the row after the last of every episode. There is no final observation, so
the last action of every episode is dropped. Every other key of ``data`` is an observation.

The zarr library (an optional dependency) reads versions 2 and 3 of the format on disk.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spirl_cli.demos.dataset import Contents, StoredEpisode
from spirl_cli.demos.formats.checks import (
    action_size,
    damage_refused,
    guarded,
    load_extra,
    stored_bounds,
)
from spirl_cli.demos.formats.rows import rows_of
from spirl_cli.demos.formats.zarr_files import ZarrFiles
from spirl_cli.errors import DatasetError
from spirl_cli.files import expanded

ACTION_KEYS = ("action", "actions")


class ZarrFolder:
    """A zarr folder of diffusion policy's layout; see the module.

    Attributes:
        notes: what was found and mended, as sentences.
    """

    kind = "zarr"

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self._path = expanded(name)
        self._where = f"zarr dataset {name}"

    def files(self) -> list[Path]:
        """Return all files of the folder, or the archive itself; those of macOS are left out."""
        if self._path.is_file():
            return [self._path]
        return sorted(path for path in self._path.rglob("*") if path.is_file() and not path.name.startswith("._"))

    def contents(self) -> Contents:
        """Count the episodes and the steps that have a next observation."""
        with self._opened() as arrays:
            spans = arrays.spans()
            return Contents(len(spans), sum(max(stop - first - 1, 0) for first, stop in spans))

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the bounds in the attributes of the actions or of the root, or None."""
        size = self.action_dim()
        with self._opened() as arrays:
            for attributes in (arrays.actions().attrs, arrays.attributes):
                bounds = stored_bounds(self._where, attributes, size)
                if bounds is not None:
                    return bounds
        return None

    def action_dim(self) -> int:
        """Return the size A of an action."""
        with self._opened() as arrays:
            actions = arrays.actions()
            return action_size(self._where, actions.shape, actions.dtype)

    def outcomes(self, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield those of the named arrays that are there, one number for each step."""
        with self._opened() as arrays:
            for name in names:
                if name in arrays.keys():
                    yield name, np.asarray(arrays.array(f"data/{name}")[:])

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes; memory holds one of them."""
        return guarded(self._where, self._read())

    def _read(self) -> Iterator[StoredEpisode]:
        with self._opened() as arrays:
            spans = arrays.spans()
            for number, (first, stop) in enumerate(spans):
                actions = np.asarray(arrays.actions()[first : max(stop - 1, first)])
                yield StoredEpisode(number, _Rows(arrays, first, stop), actions)

    @contextmanager
    def _opened(self) -> Iterator[_Arrays]:
        zarr = load_extra("zarr", "zarr", self._where)
        with damage_refused(self._where):
            files = ZarrFiles(self._path, self._where)
            store = zarr.storage.ZipStore(self._path, mode="r") if self._path.is_file() else str(self._path)
            try:
                self.notes.clear()
                yield _Arrays(self._where, files, self.notes, zarr.open_group(store, mode="r", use_consolidated=False))
            finally:
                files.close()
                if not isinstance(store, str):
                    store.close()


class _Arrays:
    """The arrays of an open dataset, each checked when it is asked for.

    Attributes:
        where: the dataset, for messages.
        attributes: those of the root.
        notes: what was found, as sentences; added to.
    """

    def __init__(self, where: str, files: ZarrFiles, notes: list[str], root: Any) -> None:
        self.where, self._files, self._root = where, files, root
        self._checked: dict[str, Any] = {}
        self._keys = files.arrays("data")
        self.attributes: Mapping[str, Any] = root.attrs
        self.notes = notes
        if not self._keys or "episode_ends" not in files.arrays("meta"):
            found = sorted({name.partition("/")[0] for name in files.names if not name.startswith(".")})
            raise DatasetError(
                f"{where} has {', '.join(found) or 'nothing'}; expected arrays in `data` and `meta/episode_ends`",
                "diffusion policy keeps its replay buffers so; the arrays of other layouts have to be copied into one",
            )

    def keys(self) -> list[str]:
        """Return the names of all observations."""
        return [name for name in self._keys if name != self._action_key()]

    def actions(self) -> Any:
        """Return the array of actions (N, A)."""
        return self.array(f"data/{self._action_key()}")

    def array(self, path: str) -> Any:
        """Return an array after a look at how it is stored."""
        if path not in self._checked:
            self._files.refuse_pickle(path)
            array = self._root[path]
            if array.dtype.kind not in "biuf":
                raise DatasetError(f"{self.where}: {path} is of type {array.dtype}, no array of numbers")
            absent = self._files.check(path, array.dtype.itemsize)
            if absent:  # by design or because a copy is incomplete
                self.notes.append(
                    f"{self.where}: {absent} chunks of {path} are absent and read as {array.fill_value}; if the "
                    "dataset was not written so, its copy is incomplete"
                )
            self._checked[path] = array
        return self._checked[path]

    def spans(self) -> list[tuple[int, int]]:
        """Return the first row of every episode and the row after its last.

        Raises:
            DatasetError: the ends do not ascend, or do not fit the arrays.
        """
        array = self.array("meta/episode_ends")
        if array.dtype.kind not in "iu" or array.ndim != 1:
            raise DatasetError(f"{self.where}: meta/episode_ends is of type {array.dtype} and shape {array.shape}")
        ends = np.asarray(array[:]).astype(np.int64)
        bad = np.flatnonzero(np.diff(ends, prepend=0) <= 0)
        if len(bad):
            raise DatasetError(
                f"{self.where}: meta/episode_ends is {ends[bad[0]]} for episode {bad[0]}, not after the end before",
                "the ends count the rows of all episodes so far: they ascend",
            )
        self._check_rows(int(ends[-1]) if len(ends) else 0)
        return [(int(first), int(stop)) for first, stop in zip([0, *ends], ends, strict=False)]

    def _check_rows(self, expected: int) -> None:
        rows = {name: self._files.describe(f"data/{name}").shape[0] for name in self._keys}
        short = [f"{name} ({count})" for name, count in rows.items() if count < expected]
        if short:
            raise DatasetError(
                f"{self.where}: meta/episode_ends counts {expected} rows, but fewer are in {', '.join(short)}",
                "the dataset is incomplete: copy it again",
            )
        actions = rows[self._action_key()]
        if actions > expected:
            self.notes.append(
                f"{self.where}: {actions - expected} rows after the last of meta/episode_ends belong to no episode "
                "and are left out"
            )

    def _action_key(self) -> str:
        for name in ACTION_KEYS:
            if name in self._keys:
                return name
        raise DatasetError(f"{self.where}: `data` has no `action`, only: {', '.join(self._keys)}")


class _Rows(Mapping[str, Any]):
    """The observations of one episode, read key by key."""

    def __init__(self, arrays: _Arrays, first: int, stop: int) -> None:
        self._arrays, self._first, self._stop = arrays, first, stop

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays.keys())

    def __len__(self) -> int:
        return len(self._arrays.keys())

    def __getitem__(self, name: str) -> Any:
        """Return an array (T+1, …), or what is read in blocks."""
        if name not in self._arrays.keys():
            raise KeyError(name)
        with damage_refused(f"{self._arrays.where}: {name}"):
            return rows_of(self._arrays.array(f"data/{name}"), self._first, self._stop)


def is_zarr_folder(path: Path) -> bool:
    """Say whether a folder is a zarr group or array, of format 2 or 3."""
    return any((path / name).is_file() for name in (".zgroup", ".zarray", "zarr.json"))


def is_zarr_archive(archive: zipfile.ZipFile) -> bool:
    """Say whether a zip file holds a zarr group."""
    return any(name in (".zgroup", "zarr.json") for name in archive.namelist())
