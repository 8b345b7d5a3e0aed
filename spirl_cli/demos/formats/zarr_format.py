"""Trajectories in a zarr folder (or zipped folder) as diffusion policy keeps them.

``data/<key>`` are flat arrays over all steps, among them ``action`` (N, A); ``meta/episode_ends``
(int64, ascending) has the row after the last of every episode. There is no final observation, so
the last action of every episode is dropped. Every other key of ``data`` is an observation.

The zarr library (an optional dependency) reads versions 2 and 3 of the format on disk.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spirl_cli.demos.dataset import Contents, RawEpisode
from spirl_cli.demos.formats.checks import (
    action_size,
    damage_refused,
    guarded,
    load_extra,
    refuse_hollow,
    stored_bounds,
)
from spirl_cli.errors import DatasetError

ACTION_KEYS = ("action", "actions")
_CHUNK_LIMIT = 2**31  # bytes of a chunk; more than that no compressor takes


class ZarrFolder:
    """A zarr folder of diffusion policy's layout; see the module.

    Attributes:
        notes: what was found and mended, as sentences.
    """

    kind = "zarr"

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self._path = Path(name).expanduser()
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

    def episodes(self) -> Iterator[RawEpisode]:
        """Yield the episodes; memory holds one of them."""
        return guarded(self._where, self._read())

    def _read(self) -> Iterator[RawEpisode]:
        with self._opened() as arrays:
            spans = arrays.spans()
            for number, (first, stop) in enumerate(spans):
                actions = np.asarray(arrays.actions()[first : max(stop - 1, first)])
                yield RawEpisode(number, _Rows(arrays, first, stop), actions)
            self.notes.extend(arrays.notes)

    @contextmanager
    def _opened(self) -> Iterator[_Arrays]:
        zarr = load_extra("zarr", "zarr", self._where)
        with damage_refused(self._where):
            store = zarr.storage.ZipStore(self._path, mode="r") if self._path.is_file() else str(self._path)
            try:
                root = zarr.open_group(store, mode="r", use_consolidated=False)
                yield _Arrays(self._where, root)
            finally:
                if not isinstance(store, str):
                    store.close()


class _Arrays:
    """The arrays of an open dataset, each checked when it is asked for.

    Attributes:
        attributes: those of the root.
        notes: what was found, as sentences.
    """

    def __init__(self, where: str, root: Any) -> None:
        self._where, self._root = where, root
        self._checked: dict[str, Any] = {}
        self.attributes: Mapping[str, Any] = root.attrs
        self.notes: list[str] = []
        if "data" not in root or "meta/episode_ends" not in root:
            raise DatasetError(
                f"{where} has {', '.join(sorted(root.keys())) or 'nothing'}; expected `data` and `meta/episode_ends`"
            )

    def keys(self) -> list[str]:
        """Return the names of all observations."""
        return [name for name in sorted(self._root["data"].array_keys()) if name != self._action_key()]

    def actions(self) -> Any:
        """Return the array of actions (N, A)."""
        return self.array(f"data/{self._action_key()}")

    def array(self, path: str) -> Any:
        """Return an array after a look at how it is stored."""
        if path not in self._checked:
            array = self._root[path]
            _refuse_unsafe(f"{self._where}: {path}", array)
            self._note_absent(path, array)
            self._checked[path] = array
        return self._checked[path]

    def spans(self) -> list[tuple[int, int]]:
        """Return the first row of every episode and the row after its last.

        Raises:
            DatasetError: the ends do not ascend, or do not fit the arrays.
        """
        array = self.array("meta/episode_ends")
        if array.dtype.kind not in "iu" or array.ndim != 1:
            raise DatasetError(f"{self._where}: meta/episode_ends is of type {array.dtype} and shape {array.shape}")
        ends = np.asarray(array[:]).astype(np.int64)
        bad = np.flatnonzero(np.diff(ends, prepend=0) <= 0)
        if len(bad):
            raise DatasetError(
                f"{self._where}: meta/episode_ends is {ends[bad[0]]} for episode {bad[0]}, not after the end before",
                "the ends count the rows of all episodes so far: they ascend",
            )
        self._check_rows(int(ends[-1]) if len(ends) else 0)
        return [(int(first), int(stop)) for first, stop in zip([0, *ends], ends, strict=False)]

    def _check_rows(self, expected: int) -> None:
        rows = {name: int(self._root["data"][name].shape[0]) for name in self._root["data"].array_keys()}
        short = [f"{name} ({count})" for name, count in rows.items() if count < expected]
        if short:
            raise DatasetError(
                f"{self._where}: meta/episode_ends counts {expected} rows, but fewer are in {', '.join(short)}",
                "the dataset is incomplete: copy it again",
            )
        actions = rows[self._action_key()]
        if actions > expected:
            self.notes.append(
                f"{self._where}: {actions - expected} rows after the last of meta/episode_ends belong to no episode "
                "and are left out"
            )

    def _action_key(self) -> str:
        for name in ACTION_KEYS:
            if name in self._root["data"]:
                return name
        raise DatasetError(
            f"{self._where}: `data` has no `action`, only: {', '.join(sorted(self._root['data'].keys()))}"
        )

    def _note_absent(self, path: str, array: Any) -> None:
        """Chunks that are not there read as the fill value, by design or because a copy is incomplete."""
        absent = math.prod(array.cdata_shape) - array.nchunks_initialized
        if absent:
            self.notes.append(
                f"{self._where}: {absent} of {math.prod(array.cdata_shape)} chunks of {path} are absent and read as "
                f"{array.fill_value}; if the dataset was not written so, its copy is incomplete"
            )


class _Rows(Mapping[str, Any]):
    """The observations of one episode, read key by key."""

    def __init__(self, arrays: _Arrays, first: int, stop: int) -> None:
        self._arrays, self._first, self._stop = arrays, first, stop

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays.keys())

    def __len__(self) -> int:
        return len(self._arrays.keys())

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array (T+1, …)."""
        if name not in self._arrays.keys():
            raise KeyError(name)
        return np.asarray(self._arrays.array(f"data/{name}")[self._first : self._stop])


def _refuse_unsafe(where: str, array: Any) -> None:
    """Refuse what would be unpickled, and what declares far more than is stored."""
    codecs = [*(array.filters or ()), *(array.compressors or ())]
    names = [
        str(getattr(codec, "codec_id", None) or getattr(codec, "codec_name", type(codec).__name__)) for codec in codecs
    ]
    if array.dtype.kind not in "biuf" or any("pickle" in name.lower() for name in names):
        raise DatasetError(
            f"{where} is of type {array.dtype} with the codecs {', '.join(names) or 'none'}: only arrays of numbers "
            "are read, and nothing is unpickled"
        )
    chunk = math.prod(array.chunks) * array.dtype.itemsize
    if chunk > _CHUNK_LIMIT:
        raise DatasetError(f"{where} has chunks of {chunk:,} bytes", "store it in chunks of some megabytes")
    declared = math.prod(array.shape) * array.dtype.itemsize
    refuse_hollow(where, declared, array.nchunks_initialized * chunk)


def is_zarr_folder(path: Path) -> bool:
    """Say whether a folder is a zarr group or array, of format 2 or 3."""
    return any((path / name).is_file() for name in (".zgroup", ".zarray", "zarr.json"))


def is_zarr_archive(archive: zipfile.ZipFile) -> bool:
    """Say whether a zip file holds a zarr group."""
    return any(name in (".zgroup", "zarr.json") for name in archive.namelist())
