"""Images that clips store, mapped into memory: what is read are the pages of the images that are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StoredImages:
    """What cameras showed in every state.

    Attributes:
        pixels: uint8 `(N, rows, columns, channels)`, mapped.
        frames: F, images of successive steps that are stacked along the channels.
    """

    pixels: np.ndarray
    frames: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of a stacked image."""
        rows, columns, channels = self.pixels.shape[1:]
        return rows, columns, channels * self.frames

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return a copy of the images of some rows `(B,)`, uint8 `(B, rows, columns, channels)`."""
        images: np.ndarray = self.pixels[rows]
        return images
