"""Pictures of all blocks and the gripper for people, in plain NumPy."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.blocks import geometry

Picture: TypeAlias = npt.NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]

SCALE = 320  # pixels per metre
FLOOR = 0.08  # m of table that is shown
MARGIN = 0.06  # m beyond the walls
SMOOTH = 2  # samples per pixel along each axis
BACKGROUND: Colour = (226, 232, 238)
TABLE: Colour = (120, 92, 68)
BLOCK: Colour = (252, 252, 250)
RIM: Colour = (92, 102, 116)
HELD: Colour = (250, 214, 120)
GRIPPER: Colour = (60, 72, 92)
FINGERS: Colour = (206, 66, 54)
RIM_WIDTH = 0.004  # m


def draw_picture(state: npt.NDArray[np.floating], held: frozenset[int] = frozenset()) -> Picture:
    """Draw a state `(8 + 3·n,)`; held blocks have another colour.

    Returns:
        uint8 `(height, width, 3)`; the sides are multiples of 16, which suits video codecs.
    """
    blocks = geometry.blocks_in(len(state))
    canvas = _Canvas(2 * (geometry.half_length(blocks) + MARGIN), geometry.ceiling(blocks) + geometry.PALM_TOP + FLOOR)
    canvas.box((0, -FLOOR / 2), (canvas.width, FLOOR / 2), 0.0, TABLE)
    for number, (y, z, angle) in enumerate(
        state[geometry.GRIPPER_NUMBERS :].reshape(-1, geometry.BLOCK_NUMBERS).tolist()
    ):
        canvas.box((y, z), (geometry.HALF, geometry.HALF), angle, RIM)
        inner = geometry.HALF - RIM_WIDTH
        canvas.box((y, z), (inner, inner), angle, HELD if number in held else BLOCK)
    y, z = state[:2].tolist()
    middle, thick = (geometry.PALM_BOTTOM + geometry.PALM_TOP) / 2, (geometry.PALM_TOP - geometry.PALM_BOTTOM) / 2
    canvas.box((y, z + middle), (geometry.PALM_HALF, thick), 0.0, GRIPPER)
    low = -geometry.FINGER_HALF - geometry.FINGER_RADIUS
    for side, distance in zip((-1, 1), state[4:6].tolist(), strict=True):
        at = (y + side * (distance + geometry.FINGER_RADIUS), z + (low + geometry.PALM_BOTTOM) / 2)
        canvas.box(at, (geometry.FINGER_RADIUS, (geometry.PALM_BOTTOM - low) / 2), 0.0, FINGERS)
    return canvas.picture()


class _Canvas:
    """Pixels of a part of the plane; the middle of the table's surface lies `FLOOR` above the bottom."""

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self._scale = SCALE * SMOOTH
        columns, rows = (int(np.ceil(size * SCALE / 16)) * 16 * SMOOTH for size in (width, height))
        self._pixels = np.empty((rows, columns, 3), np.uint8)
        self._pixels[:] = BACKGROUND
        self._middle, self._surface = columns / 2, rows - FLOOR * self._scale

    def box(self, centre: tuple[float, float], halves: tuple[float, float], angle: float, colour: Colour) -> None:
        """Draw a turned box; centre and half sides are in metres."""
        reach = float(np.hypot(*halves)) * self._scale + 1
        column = self._middle + centre[0] * self._scale
        row = self._surface - centre[1] * self._scale
        rows, columns = self._pixels.shape[:2]
        top, bottom = max(int(row - reach), 0), min(int(row + reach) + 1, rows)
        left, right = max(int(column - reach), 0), min(int(column + reach) + 1, columns)
        y = np.arange(left, right) + 0.5 - column
        z = row - (np.arange(top, bottom)[:, None] + 0.5)
        along, across = np.cos(angle) * y + np.sin(angle) * z, np.cos(angle) * z - np.sin(angle) * y
        inside = (np.abs(along) <= halves[0] * self._scale) & (np.abs(across) <= halves[1] * self._scale)
        self._pixels[top:bottom, left:right][inside] = colour

    def picture(self) -> Picture:
        """Return the drawing with smooth edges."""
        rows, columns = (size // SMOOTH for size in self._pixels.shape[:2])
        samples = self._pixels.reshape(rows, SMOOTH, columns, SMOOTH, 3)
        return samples.mean(axis=(1, 3)).round().astype(np.uint8)
