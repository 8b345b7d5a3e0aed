"""The exact share of every pixel that turned blocks cover. Positions are in pixels to the right and down."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]  # double precision, since large numbers nearly cancel

_CORNERS = np.array([-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j, -1 - 1j])  # corners of a block of side 2, clockwise
_ENDS = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])  # indices of the corners at which each side starts and ends
_SIGNS = np.array([-0.5, 0.5])
_ZERO = np.array(0.0)


class TurnedBlocks:
    """Adds turned blocks to images of shares.

    Attributes:
        window: side in pixels of the square in which a block is drawn.

    Args:
        pixels: P, side of the images.
        side: side of a block in pixels.
    """

    def __init__(self, pixels: int, side: float) -> None:
        self.window = math.ceil(side * math.sqrt(2)) + 1
        self._corners = side / 2 * _CORNERS
        self._grid = np.arange(self.window + 1, dtype=np.float64)
        self._side = pixels + 2 * self.window  # side of an image with a border for windows that lie partly outside
        within = np.arange(self.window)
        # Flat indices of a window's pixels in such an image, for a window at the upper left corner without the border.
        self._inside = ((within[:, None] + self.window) * self._side + within + self.window).ravel()
        self._strides = np.array([1, self._side])

    def add(self, images: Floats, owner: npt.NDArray[np.intp], centres: Floats, angles: Floats) -> None:
        """Add the shares that blocks cover to images `(B, P, P)`, in place.

        Args:
            images: shares of pixels.
            owner: index of the image of each block, `(m,)`.
            centres: columns and rows of the blocks' centres, `(m, 2)`, at most half a window outside the image.
            angles: `(m,)`, none of them 0.
        """
        first = np.floor(centres - np.float32(self.window / 2 - 0.5))  # upper left pixel of each block's window
        middles = (centres - first).astype(np.float64).view(np.complex128)  # (m, 1)
        shares = self._shares(middles + self._corners * np.exp(-1j * angles)[:, None])
        places = first.astype(np.intp) @ self._strides + owner * self._side**2  # (m,)
        size = len(images) * self._side**2
        summed = np.bincount((places[:, None] + self._inside).ravel(), shares.ravel(), minlength=size)
        inner = slice(self.window, -self.window)
        images += summed.reshape(-1, self._side, self._side)[:, inner, inner]

    def _shares(self, corners: npt.NDArray[np.complex128]) -> Doubles:
        """Return the share of every pixel of a window that each block covers, `(m, window, window)`.

        By Green's theorem the area left of X and above Y is the integral of min(x, X) dy around the part of the
        block that is above Y, hence minus that of max(X - x, 0) dy, as dy sums to 0. A side, along which
        dx = k·dy, adds max(X - x, 0)² / 2k where it ends, less that where it starts. The shares are the second
        differences on the grid of the pixels.

        Args:
            corners: column + i · row of the corners from the window's upper left corner, `(m, 5)`; clockwise, closed.
        """
        sides = corners[:, 1:] - corners[:, :-1]  # (m, 4)
        slopes = sides.real / sides.imag
        at_zero = corners[:, :-1].real - slopes * corners[:, :-1].imag
        heights = np.minimum(corners.imag[..., None], self._grid)  # (m, 5, window + 1), of corners or of Y
        x = slopes[..., None, None] * heights[:, _ENDS]  # (m, 4, 2, window + 1)
        x += at_zero[..., None, None]
        beyond = self._grid - x[..., None]
        np.maximum(beyond, _ZERO, out=beyond)
        beyond *= beyond
        count, size = len(corners), self.window + 1
        weights = (_SIGNS / slopes[..., None]).reshape(count, 1, -1)
        area = (weights @ beyond.reshape(count, -1, size * size)).reshape(count, size, size)
        rows = area[:, 1:] - area[:, :-1]
        shares: Doubles = rows[..., 1:] - rows[..., :-1]
        return shares
