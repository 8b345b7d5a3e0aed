"""The clip dataset: windows of demonstrations, gathered on demand.

`spirl_cli.clips.writer` writes it and describes the file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from spirl_cli.clips.drawing import SceneImages, read_scene_images
from spirl_cli.clips.stored_images import StoredImages
from spirl_cli.clips.writer import COPY_ROWS, FORMAT, ClipWriter
from spirl_cli.errors import ArtifactError

__all__ = ["ClipWriter", "Clips", "Split"]

LOAD_LIMIT = 2**30  # bytes; larger clips are memory-mapped by default

Split = Literal["train", "validation"]


class Clips:
    """Clips opened for reading; see `open`.

    Attributes:
        horizon: window length H.
        action_low, action_high: float32 `(A,)`, bounds of the actions.
        episode_offsets: int64 `(E+1,)`, first row of every episode.
        episode_numbers: int64 `(E,)`, positions of the episodes in the source dataset.
        dataset_offsets: int64 `(K+1,)`, first episode of each of K source datasets.
        identity: identity of the source dataset.
    """

    def __init__(self, path: Path, load: bool | None) -> None:
        with _open_hdf5(path) as file:
            _refuse_foreign(path, file)
            if file.attrs.get("format") != FORMAT:
                raise ArtifactError(f"{path} is not a clips file of this version (format {FORMAT})")
            self.horizon = int(file.attrs["horizon"])
            self.action_low = np.asarray(file.attrs["action_low"], np.float32)
            self.action_high = np.asarray(file.attrs["action_high"], np.float32)
            self.identity: dict[str, Any] = json.loads(file.attrs["identity"])
            self.episode_offsets = file["episode_offsets"][()]
            self.episode_numbers = file["episode_numbers"][()]
            whole = np.array([0, len(self.episode_numbers)], np.int64)
            self.dataset_offsets = file["dataset_offsets"][()] if "dataset_offsets" in file else whole
            self._starts: dict[str, np.ndarray] = {name: file[f"starts/{name}"][()] for name in ("train", "validation")}
            self._images: SceneImages | StoredImages | None = read_scene_images(file)
            if "images" in file:
                self._images = StoredImages(
                    _read(path, file["images"], load=False), int(file["images"].attrs["frames"])
                )
            if load is None:
                load = file["observations"].nbytes + file["actions"].nbytes <= LOAD_LIMIT
            self._observations = _read(path, file["observations"], load)  # (N, D)
            self._actions = _read(path, file["actions"], load)  # (N, A)
        self._window = np.arange(self.horizon + 1)

    @classmethod
    def open(cls, path: Path, load: bool | None = None) -> Clips:
        """Open a clips file.

        Args:
            path: the HDF5 file.
            load: True reads everything into memory; False maps the file, so that pages are read when needed; None reads
                files of up to 1 GiB and maps larger ones. Images are always mapped.

        Raises:
            ArtifactError: the file is missing, damaged or not a clips file.
        """
        try:
            return cls(Path(path), load)
        except ArtifactError:
            raise
        except Exception as error:  # of a file that a stranger wrote, h5py does not say what it raises
            raise ArtifactError(
                f"the clips {path} are damaged ({type(error).__name__}: {error})", "run `spirl extract` again"
            ) from error

    @property
    def observation_dim(self) -> int:
        """Size D of an observation."""
        return int(self._observations.shape[1])

    @property
    def action_dim(self) -> int:
        """Size A of an action."""
        return int(self._actions.shape[1])

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Rows, columns and channels of the image of a row, or None without images."""
        return None if self._images is None else self._images.image_shape

    @property
    def episodes(self) -> int:
        """Number of episodes E."""
        return len(self.episode_numbers)

    @property
    def steps(self) -> int:
        """Number of steps (actions) of all episodes."""
        return len(self._actions) - self.episodes

    def starts(self, split: Split) -> np.ndarray:
        """Return the rows at which a window of this split may start, int64, ascending."""
        return self._starts[split]

    def windows(self, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the windows at `starts` `(B,)`: observations `(B, H+1, D)`, actions `(B, H, A)`, float32."""
        rows = np.asarray(starts)[:, None] + self._window  # (B, H+1)
        return self._observations[rows], self._actions[rows[:, :-1]]

    def states(self, indices: np.ndarray) -> np.ndarray:
        """Return the observations of the given rows, float32 `(..., D)`."""
        states: np.ndarray = self._observations[indices]
        return states

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Draw or read the images that an agent sees at the given rows `(...,)`; nothing is kept.

        Returns:
            uint8 (..., rows, columns, channels · F): the images of the last F steps, the oldest first. The image of an
            episode's first step stands in for the images before it.

        Raises:
            ArtifactError: these clips have no images.
        """
        if self._images is None:
            raise ArtifactError(
                "the clips have no images",
                "mark what cameras showed with `image` in extract.observation; some domains draw images from states",
            )
        rows = np.asarray(rows)[..., None]  # (..., 1)
        back = np.arange(1 - self._images.frames, 1)  # (F,)
        shown = np.maximum(rows + back, self.episode_offsets[self.episode_of(rows)])  # (..., F)
        distinct, places = np.unique(shown, return_inverse=True)  # successive rows share their images
        single = self._single_images(distinct)
        places = places.reshape(shown.shape)
        return np.concatenate([single[places[..., frame]] for frame in range(len(back))], axis=-1)

    def _single_images(self, rows: np.ndarray) -> np.ndarray:
        """Return the unstacked images of some rows, uint8 `(B, rows, columns, channels)`."""
        if isinstance(self._images, SceneImages):
            return self._images.draw(self.episode_of(rows), self._observations[rows])
        assert self._images is not None, "`images` has looked"
        return self._images.read(rows)

    def episode_of(self, starts: np.ndarray) -> np.ndarray:
        """Return the episode (0 to E-1) that each row belongs to."""
        return np.searchsorted(self.episode_offsets, starts, side="right") - 1

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation `(D,)` of the observations of training episodes, float32.

        A constant dimension has standard deviation 0. The computation is in double precision and makes two passes over
        the blocks of rows.
        """
        return _moments(self._observations, self._training_blocks())

    def action_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation `(A,)` of the actions of training episodes, float32."""
        last = set((self.episode_offsets[1:] - 1).tolist())  # rows without an action
        blocks = [(first, stop - (stop - 1 in last)) for first, stop in self._training_blocks()]
        mean, spread = _moments(self._actions, blocks)
        return mean, spread

    def _training_blocks(self) -> list[tuple[int, int]]:
        """Return row ranges that cover the training episodes, each small enough to copy."""
        blocks = []
        for episode in np.unique(self.episode_of(self.starts("train"))):
            first, stop = (int(row) for row in self.episode_offsets[episode : episode + 2])
            blocks += [(row, min(row + COPY_ROWS, stop)) for row in range(first, stop, COPY_ROWS)]
        return blocks


def _moments(values: np.ndarray, blocks: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of some ranges of rows, float32, computed in double precision."""
    count = sum(stop - first for first, stop in blocks)
    total = sum(values[first:stop].sum(axis=0, dtype=np.float64) for first, stop in blocks)
    mean = np.asarray(total) / count
    squares = sum(np.square(values[first:stop] - mean).sum(axis=0) for first, stop in blocks)
    return mean.astype(np.float32), np.sqrt(np.asarray(squares) / count).astype(np.float32)


def _open_hdf5(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ArtifactError(f"the clips {path} cannot be read: {error}", "run `spirl extract` again") from error


def _refuse_foreign(path: Path, group: h5py.Group) -> None:
    """Refuse clips whose data lie in other files, or are made up of others: spirl writes none.

    Raises:
        ArtifactError: names the first such member.
    """
    for name in group:
        stored = isinstance(group.get(name, getlink=True), h5py.HardLink)
        member = group[name] if stored else None
        if isinstance(member, h5py.Group):
            _refuse_foreign(path, member)
        elif not isinstance(member, h5py.Dataset) or member.external or member.is_virtual:
            raise ArtifactError(f"the clips {path} point to data outside of the file: {group.name}/{name}")


def _read(path: Path, dataset: h5py.Dataset, load: bool) -> np.ndarray:
    """Return a dataset as an array, read or mapped."""
    if load:
        return np.asarray(dataset[()])
    offset = dataset.id.get_offset()
    if offset is None:
        raise ArtifactError(f"{path}: '{dataset.name}' is not stored contiguously and cannot be mapped")
    mapped = np.memmap(path, dtype=dataset.dtype, mode="r", offset=offset, shape=dataset.shape)
    return mapped.view(np.ndarray)
