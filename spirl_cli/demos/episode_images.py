"""Images of an episode, read and resized when they are asked for, so that memory holds a block of a long episode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from spirl_cli.camera import Cameras, Images


class EpisodeImages:
    """What cameras showed in an episode; otherwise as an array, uint8 `(T+1, rows, columns, channels)`.

    A slice stands for a part of the images and reads nothing; `numpy.asarray` reads.

    Args:
        cameras: resize the images.
        leaves: the stored images of every camera, as `Cameras.leaves` returns them.
        guard: turns the errors of reading into messages.
        rows: the part that is meant.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        cameras: Cameras,
        leaves: Sequence[Any],
        guard: Callable[[], AbstractContextManager[Any]],
        rows: range | None = None,
    ) -> None:
        self._cameras, self._leaves, self._guard = cameras, leaves, guard
        self._rows = range(min(map(len, leaves))) if rows is None else rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows of the episode, then rows, columns and channels of an image."""
        return len(self), *self._cameras.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice) -> EpisodeImages:
        """Return successive images, still to be read."""
        return EpisodeImages(self._cameras, self._leaves, self._guard, self._rows[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read the images."""
        with self._guard():
            images: Images = self._cameras.read(self._leaves, self._rows.start, self._rows.stop)
        return np.asarray(images, dtype=dtype)
