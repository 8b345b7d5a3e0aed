"""The image that an agent in the maze sees: a top view of its surroundings, drawn without OpenGL.

The view is the square of 5 × 5 cells around the agent. A pixel is the exact mean of the colours in its square, so that
small motions are visible (docs/maze.md#images). The floor has a texture that does
not depend on the layout: halves of cells alternate, along x in the red and along y in the green channel, so that motion
is visible in open space too. The agent itself, always at the centre, is not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

VIEW_CELLS = 5
PIXELS = 32
CHANNELS = 3
WALL = np.array([16, 16, 16], np.float32)
FLOOR = np.array([160, 160, 240], np.float32)  # mean brightness of the two halves of a cell
CONTRAST = 80.0  # the first half of a cell is brighter by this, the second half darker

_PIXEL = VIEW_CELLS / PIXELS  # side of a pixel in cells
_CELLS = VIEW_CELLS + 1  # cells along a side that the view can overlap
_EDGES = (np.arange(PIXELS + 1) * _PIXEL).astype(np.float32)  # (33,) edges of pixels, from the view's edge
_NUMBERS = np.arange(_CELLS)
# Colours that a free cell adds to a wall's, and that the texture adds along x.
_FREE = np.tile(FLOOR - WALL, PIXELS)  # (32 · 3,)
_TEXTURE_X = np.tile(np.array([CONTRAST, 0, 0], np.float32), PIXELS)
_TEXTURE_Y = np.tile(np.array([0, CONTRAST, 0], np.float32), PIXELS)
_WALLS = np.tile(WALL + 0.5, PIXELS)  # + 0.5 rounds, since conversion to integers truncates


def draw(layouts: npt.NDArray[np.bool_], positions: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Draw the view from each position.

    Args:
        layouts: one layout for all positions `(rows, columns)`, or one for each `(B, rows, columns)`. The border and
            everything outside is wall.
        positions: x and y in cells `(B, 2)`; they are rounded to float32.

    Returns:
        uint8 `(B, 32, 32, 3)`: rows along y, columns along x, red, green, blue.
    """
    corners = np.asarray(positions, np.float32) - np.float32(VIEW_CELLS / 2)  # (B, 2) of the view
    first = np.floor(corners)
    cells, texture = _overlaps(corners - first)  # (B, 2, 32, 6) each
    free = _free(layouts, first.astype(np.intp))  # (B, 6, 6)
    # A pixel is Ay · free · Axᵀ times the cell's colour, plus the same product with the texture's overlaps along x or y
    # times the texture's colour. The colours are multiplied into the right-hand sides, so that one product is left.
    batch = len(free)
    left = np.empty((batch, PIXELS, 2 * _CELLS + 1), np.float32)
    np.matmul(cells[:, 1], free, out=left[..., :_CELLS])
    np.matmul(texture[:, 1], free, out=left[..., _CELLS:-1])
    left[..., -1] = 1.0
    right = np.empty((batch, 2 * _CELLS + 1, PIXELS * CHANNELS), np.float32)
    along = _per_channel(cells[:, 0])  # (B, 6, 32 · 3)
    np.multiply(along, _FREE, out=right[:, :_CELLS])
    right[:, :_CELLS] += _per_channel(texture[:, 0]) * _TEXTURE_X
    np.multiply(along, _TEXTURE_Y, out=right[:, _CELLS:-1])
    right[:, -1] = _WALLS
    return np.matmul(left, right).astype(np.uint8).reshape(batch, PIXELS, PIXELS, CHANNELS)


def stack(images: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Stack F frames `(..., 32, 32, 3)`, the oldest first, to `(..., 32, 32, 3 · F)`."""
    return np.concatenate(images, axis=-1)


def _overlaps(offsets: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the share of every pixel that lies in each cell, along one axis.

    Args:
        offsets: beginning of the view within its first cell, `(...,)`, in [0, 1).

    Returns:
        The share `(..., 32, 6)`, and the share in the cell's first half minus that in its second.
    """
    edges = offsets[..., None, None] + _EDGES[:, None]  # (..., 33, 1)
    within = np.clip(edges - _NUMBERS.astype(np.float32), 0, 1)  # length of each cell before each edge
    signed = 0.5 - np.abs(within - 0.5)
    return np.diff(within, axis=-2) / np.float32(_PIXEL), np.diff(signed, axis=-2) / np.float32(_PIXEL)


def _free(layouts: npt.NDArray[np.bool_], first: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Return 1 for free and 0 for wall, for the 6 × 6 cells from column and row `first` `(B, 2)` on."""
    rows, columns = layouts.shape[-2:]
    # Everything outside is wall, so the nearest cell of the border can stand for it.
    row = np.clip(first[:, 1, None] + _NUMBERS, 0, rows - 1)[:, :, None]
    column = np.clip(first[:, 0, None] + _NUMBERS, 0, columns - 1)[:, None, :]
    walls = layouts[row, column] if layouts.ndim == 2 else layouts[np.arange(len(first))[:, None, None], row, column]
    return (~walls).astype(np.float32)


def _per_channel(shares: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn shares `(B, 32, 6)` into `(B, 6, 32 · 3)`, the same for each channel."""
    return np.repeat(shares.transpose(0, 2, 1), CHANNELS, axis=-1)
