"""Writes the clip dataset: every demonstrated step is stored once.

Layout of the HDF5 file (E episodes of T_e steps, N = sum of T_e + 1 over the episodes)::

    observations      float32 (N, D)   all T+1 states of every episode, one after the other
    actions           float32 (N, A)   the T actions of every episode and one row of zeros
    episode_offsets   int64 (E+1,)     first row of every episode; the last entry is N
    episode_numbers   int64 (E,)       position of the episode in the source dataset
    starts/train      int64            rows at which a window may start, training episodes
    starts/validation int64            the same for the other episodes
    dataset_offsets   int64 (K+1,)     first episode of each of K datasets; missing if there is one
    scenes            uint8 (E, n)     the bits of one bool array per episode; its shape is the attribute
                                       ``shape``; missing if images need no scenes
    images            uint8 (N, rows, columns, channels)
                                       the images of every state; the attribute ``frames`` says how many are stacked
                                       when they are read; missing if images are drawn or there are none

Attributes: `format`, `horizon`, `action_low`, `action_high`, `identity` (of the source dataset, as JSON) and,
if images are drawn, `drawing` (JSON of a `spirl_cli.clips.drawing.Drawing`).
The padding row makes observations, images and actions share row numbers, so that a batch of windows is one gather from
each. All are stored contiguously, so that they can be mapped into memory: clips that are larger than the memory are
read page by page.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import h5py
import numpy as np

from spirl_cli.clips.drawing import Drawing, pack_scene
from spirl_cli.demos.episode import ActionBounds, Episode
from spirl_cli.errors import DatasetError
from spirl_cli.files import copy_into, written_whole
from spirl_cli.room import room_for

FORMAT = "spirl-clips-1"
COPY_ROWS = 65_536  # rows handled at once, since a whole array may not fit into memory
COPY_BYTES = 16 * 2**20  # bytes of images handled at once


class ClipWriter:
    """Writes clips one episode at a time; memory holds one episode and the packed scenes of all episodes.

    Rows are collected in plain files beside `path` and copied once by `finish`,
    because only a dataset of known length can be stored contiguously. Use it as a context manager, which always removes
    these files.

    Args:
        path: the HDF5 file to write.
        horizon: window length H in steps.
        bounds: action bounds, `(A,)` each.
        unused_final_starts: number of last start positions of every episode that are left out
            (docs/method.md#final-start-positions-are-never-drawn).
        expected: number of episodes that will come at most, to say how much room they need; None: not known.
    """

    def __init__(
        self,
        path: Path,
        horizon: int,
        bounds: ActionBounds,
        unused_final_starts: int = 0,
        expected: int | None = None,
    ) -> None:
        self._path = path
        self._horizon = horizon
        self._bounds = bounds
        self._unused = unused_final_starts
        self._expected = expected or 0
        self._bytes = 0  # of the plain files
        self._lengths: list[int] = []  # rows (T+1) of every episode
        self._numbers: list[int] = []
        self._firsts: list[int] = [0]  # first episode of every dataset
        self._scenes: list[np.ndarray] = []  # packed
        self._scene_shape: tuple[int, ...] | None = None
        self._observation_dim: int | None = None
        self._image_shape: tuple[int, ...] | None = None  # rows, columns and channels
        self._raw = [path.with_name(f"{path.name}.{name}.raw") for name in ("observations", "actions", "images")]
        self._files: list[BinaryIO] = []

    def __enter__(self) -> ClipWriter:
        self._files = [raw.open("wb") for raw in self._raw]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file, raw in zip(self._files, self._raw, strict=True):
            with contextlib.suppress(OSError):  # of a full disk: what is not written is not needed any more
                file.close()
            raw.unlink(missing_ok=True)

    @property
    def shortest(self) -> int:
        """Fewest steps of an episode that holds a window."""
        return self._horizon + self._unused

    @property
    def episodes(self) -> int:
        """Number of episodes appended so far."""
        return len(self._lengths)

    @property
    def steps(self) -> int:
        """Number of steps (actions) appended so far."""
        return sum(self._lengths) - len(self._lengths)

    def next_dataset(self) -> None:
        """Say that the episodes from here on come from another dataset."""
        self._firsts.append(self.episodes)

    def append(self, episode: Episode) -> None:
        """Add one episode of at least `shortest` steps.

        Raises:
            DatasetError: its observations have another dimension, or its scene or its images another shape,
                than those before.
            ValueError: it is too short for a window.
        """
        if episode.steps < self.shortest:
            raise ValueError(f"episode {episode.number} of {episode.steps} steps is shorter than a window")
        size = episode.observations.shape[1]
        if self._observation_dim not in (None, size):
            raise DatasetError(
                f"episode {episode.number} has observations of {size} numbers, those before have "
                f"{self._observation_dim}"
            )
        self._observation_dim = size
        self._append_scene(episode)
        padding = np.zeros((1, len(self._bounds.low)), np.float32)
        blocks = [
            np.ascontiguousarray(episode.observations, np.float32),
            np.concatenate([episode.actions, padding]).astype(np.float32),
        ]
        self._check_images(episode)
        self._bytes += sum(block.nbytes for block in blocks)
        self._bytes += 0 if episode.images is None else math.prod(episode.images.shape)
        with room_for(self._path, self._needed(len(self._lengths) + 1)):
            for file, block in zip(self._files, blocks, strict=False):
                file.write(block.data)
            for images in _image_blocks(episode):
                self._files[2].write(images.data)
        self._lengths.append(len(episode.observations))
        self._numbers.append(episode.number)

    def _append_scene(self, episode: Episode) -> None:
        shape = None if episode.scene is None else episode.scene.shape
        if self._lengths and shape != self._scene_shape:
            raise DatasetError(
                f"episode {episode.number} has a scene of shape {shape}, those before have {self._scene_shape}"
            )
        self._scene_shape = shape
        if episode.scene is not None:
            self._scenes.append(pack_scene(episode.scene))

    def _needed(self, episodes: int) -> int:
        """Return how many bytes all episodes take, as plain files and in the file, if they are like the first ones."""
        return round(2 * self._bytes * max(1.0, self._expected / episodes))

    def _check_images(self, episode: Episode) -> None:
        shape = None if episode.images is None else episode.images.shape[1:]
        if self._lengths and shape != self._image_shape:
            raise DatasetError(
                f"episode {episode.number} has images of shape {shape}, those before have {self._image_shape}"
            )
        self._image_shape = shape

    def finish(
        self,
        validation_fraction: float,
        seed: int,
        identity: Mapping[str, Any],
        drawing: Drawing | None = None,
        frames: int = 1,
    ) -> None:
        """Split the episodes of each dataset and write the file.

        Args:
            validation_fraction: share of the episodes kept for validation; at least one.
            seed: decides which ones.
            identity: what the dataset was, stored as JSON.
            drawing: how images are drawn from states and scenes.
            frames: of successive stored images that are stacked when they are read.

        Raises:
            DatasetError: fewer than two episodes: nothing could be split.
        """
        datasets = np.array([*self._firsts, self.episodes], np.int64)  # (K+1,)
        validation = split_datasets(np.diff(datasets).tolist(), validation_fraction, seed)
        offsets = np.concatenate([[0], np.cumsum(self._lengths)]).astype(np.int64)  # (E+1,)
        with written_whole(self._path, self._needed(self.episodes)) as temporary, h5py.File(temporary, "w") as file:
            file.attrs.update(
                format=FORMAT,
                horizon=self._horizon,
                action_low=self._bounds.low,
                action_high=self._bounds.high,
                identity=json.dumps(dict(identity), sort_keys=True),
            )
            file["episode_offsets"] = offsets
            file["episode_numbers"] = np.array(self._numbers, np.int64)
            if len(datasets) > 2:
                file["dataset_offsets"] = datasets
            file["starts/train"] = self._starts(offsets, ~validation)
            file["starts/validation"] = self._starts(offsets, validation)
            self._write_scenes(file, drawing)
            self._copy_raw(file, int(offsets[-1]))
            place = self._reserve_images(file, int(offsets[-1]), frames)
            file.close()
            if place is not None:
                copy_into(self._raw[2], temporary, place)

    def _starts(self, offsets: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Return the rows at which a window of the chosen episodes may start."""
        # T+1 rows hold T - H + 1 windows of H+1 states
        return np.concatenate(
            [np.arange(offsets[e], offsets[e + 1] - self.shortest, dtype=np.int64) for e in np.flatnonzero(chosen)]
        )

    def _write_scenes(self, file: h5py.File, drawing: Drawing | None) -> None:
        if self._scenes:
            file["scenes"] = np.stack(self._scenes)
            file["scenes"].attrs["shape"] = self._scene_shape
        if drawing is not None and (self._scenes or not drawing.needs_scenes):
            file.attrs["drawing"] = drawing.to_json()

    def _copy_raw(self, file: h5py.File, rows: int) -> None:
        sizes = (self._observation_dim, len(self._bounds.low))
        names, raws = ("observations", "actions"), self._raw[:2]
        for name, raw, stream, size in zip(names, raws, self._files[:2], sizes, strict=True):
            stream.flush()
            source = np.memmap(raw, np.float32, "r", shape=(rows, int(size or 0)))
            target = file.create_dataset(name, shape=source.shape, dtype=np.float32)
            for first in range(0, rows, COPY_ROWS):
                target[first : first + COPY_ROWS] = source[first : first + COPY_ROWS]

    def _reserve_images(self, file: h5py.File, rows: int, frames: int) -> int | None:
        """Make room for the images; return at which byte of the file it begins, None without images."""
        if self._image_shape is None:
            return None
        self._files[2].flush()
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((rows, *self._image_shape))
        made = h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, creation)
        h5py.Dataset(made).attrs["frames"] = frames
        return int(made.get_offset())


def split_datasets(counts: Sequence[int], validation_fraction: float, seed: int) -> np.ndarray:
    """Choose validation episodes of each dataset, so that each has its share of them: bool `(E,)`.

    A dataset of one episode is trained on, unless all are such.

    Args:
        counts: usable episodes of every dataset, E in all.
        validation_fraction, seed: as for `split_episodes`.

    Raises:
        DatasetError: fewer than two episodes in all.
    """
    if len(counts) == 1 or max(counts) < 2:
        return split_episodes(sum(counts), validation_fraction, seed)
    masks = [
        split_episodes(count, validation_fraction, [seed, place]) if count > 1 else np.zeros(count, bool)
        for place, count in enumerate(counts)
    ]
    return np.concatenate(masks)


def _image_blocks(episode: Episode) -> Iterator[np.ndarray]:
    """Yield the images `(n, rows, columns, channels)` in blocks, since all of them may not fit into memory."""
    if episode.images is not None:
        step = max(1, COPY_BYTES // math.prod(episode.images.shape[1:]))
        for first in range(0, len(episode.images), step):
            yield np.ascontiguousarray(np.asarray(episode.images[first : first + step]), np.uint8)


def split_episodes(count: int, validation_fraction: float, seed: int | Sequence[int]) -> np.ndarray:
    """Choose validation episodes: a boolean mask of shape (count,), at least one of each kind.

    Raises:
        DatasetError: fewer than two episodes.
    """
    if count < 2:
        raise DatasetError(
            f"only {count} usable episode{'s' if count != 1 else ''}: at least two are needed, one to train "
            "and one to validate"
        )
    held_out = min(max(round(count * validation_fraction), 1), count - 1)
    mask = np.zeros(count, dtype=bool)
    mask[np.random.default_rng(seed).permutation(count)[:held_out]] = True
    return mask
