"""Images that clips store, mapped into memory: what is read are the pages of the images that are asked for."""

from __future__ import annotations

import mmap

import numpy as np

KEPT_BYTES = 256 * 2**20  # of mapped pages, before they are given back
_AROUND = 64 * 2**10  # bytes that the system maps around a page that is read, where it has them


class StoredImages:
    """What cameras showed in every state.

    Pages that were read would count as memory of this process until the system needs them elsewhere. They are given
    back now and then; the system keeps them in its own cache as long as there is room.

    Args:
        pixels: uint8 `(N, rows, columns, channels)`, mapped.
        frames: F, images of successive steps that are stacked along the channels.

    Attributes:
        frames: F.
    """

    def __init__(self, pixels: np.ndarray, frames: int) -> None:
        self._pixels, self.frames = pixels, frames
        self._touched = 0  # bytes since pages were given back last
        self._advise("MADV_RANDOM")  # nothing is read ahead from the disk

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of a stacked image."""
        rows, columns, channels = self._pixels.shape[1:]
        return rows, columns, channels * self.frames

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return a copy of the images of some rows `(B,)`, uint8 `(B, rows, columns, channels)`."""
        images: np.ndarray = self._pixels[rows]
        self._touched += images.nbytes + len(images) * _AROUND
        if self._touched > KEPT_BYTES:
            self._advise("MADV_DONTNEED")
            self._touched = 0
        return images

    def _advise(self, advice: str) -> None:
        """Tell the system how the mapped pages are used, where it can be told."""
        mapping: object = self._pixels
        while isinstance(mapping, np.ndarray):
            mapping = mapping.base
        if isinstance(mapping, mmap.mmap) and hasattr(mmap, advice):
            mapping.madvise(getattr(mmap, advice))
