"""The image that an agent sees: the plane around its gripper, drawn without OpenGL.

The view is a square that moves with the gripper. A pixel is the exact mean of the colours in its square, so that small
motions are visible (docs/blocks.md#image). The background shows the position: stripes across y in the red channel, a
ramp along z in the blue channel. Table and stripes are endless, so that a view depends on the state alone.

An environment draws a single view at every step, for which calling NumPy costs more than its arithmetic. Hence few
calls, each on as much as possible, most of them in place, with arrays as constants.
"""

from __future__ import annotations

import functools
import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.turned import TurnedBlocks

PIXELS = 32
CHANNELS = 3
VIEW = 0.8  # m, side of the view
BELOW = 0.5  # m, part of the view's height that lies below the gripper
STRIPE = 0.1  # m, width of a stripe
BACKGROUND = np.array([70, 30, 40], np.float32)
STRIPES = 40  # added to red in every other stripe
RAMP = np.array([0, 0, 140], np.float32)  # added per metre of height
TABLE = np.array([20, 70, 20], np.float32)
BLOCK = 245  # in all three channels, which makes white
GRIPPER = np.array([40, 220, 60], np.float32)

UPRIGHT = 1e-3  # rad; smaller angles change no grey value by one, so such blocks are drawn upright

Floats: TypeAlias = npt.NDArray[np.float32]


def _floats(values: npt.ArrayLike) -> Floats:
    return np.array(values, np.float32)


_SCALE = PIXELS / VIEW  # pixels per metre
_EDGES = np.arange(PIXELS + 1, dtype=np.float32)  # of the pixels
_ZERO, _ONE, _HALF = map(_floats, (0, 1, 0.5))

# The share of a pixel that a box covers is computed along one axis at a time: along the columns for two fingers and the
# bright stripes, along the rows for the table, along both for every block. A box has a first pixel and a length.
_FINGERS, _STRIPES, _TABLE, _BLOCKS = slice(0, 2), slice(2, 7), 7, slice(8, None)
_THICK, _SIDE, _HEIGHT = 2 * geometry.FINGER_RADIUS * _SCALE, geometry.BLOCK * _SCALE, (VIEW - BELOW) * _SCALE
_DIRECTIONS = _floats([_SCALE, -_SCALE])  # columns count to the right, rows downwards
_OUTWARDS = _floats([-_SCALE, _SCALE])
_BLOCKS_BEGIN = _floats([PIXELS / 2 - _SIDE / 2, _HEIGHT - _SIDE / 2])
_FINGERS_BEGIN = _floats([PIXELS / 2 - _THICK, PIXELS / 2])
_PAIR = _floats(2 * STRIPE * _SCALE)  # a stripe and its gap; the view begins some periods left of the gripper
_STRIPES_BEGIN = _PAIR * np.arange(5, dtype=np.float32)
_PER_METRE, _ABOVE = _floats(_SCALE), _floats(_HEIGHT)

# Colours (3, 1), relative to a block's: the table's, and what sky and ramp add to it.
_ON_TABLE, _SKY = (TABLE - BLOCK)[:, None], (BACKGROUND - TABLE)[:, None]
_RAMP = (RAMP / _SCALE)[:, None]
_BRIGHTER = _floats(STRIPES)
_WHITE = _floats(BLOCK + 0.5)  # + 0.5 rounds, since conversion to integers truncates

_turned = TurnedBlocks(PIXELS, _SIDE)
_UPRIGHT, _MIDDLE, _HALF_SIDE = _floats(UPRIGHT), _floats(PIXELS / 2 - _SIDE / 2), _floats(_SIDE / 2)
_NEAR = _floats((PIXELS + _turned.window) / 2)  # pixels from the middle; blocks farther away are out of sight


def draw(states: npt.NDArray[np.floating], out: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.uint8]:
    """Draw the views of states `(B, 8 + 3·n)`, see `spirl_cli.domains.blocks.geometry`.

    Args:
        states: one per view.
        out: array to draw into, uint8 `(B, 32, 32, 3)`; None makes a new one.

    Returns:
        uint8 `(B, 32, 32, 3)`: rows from top to bottom, columns along y, red, green, blue.
    """
    states = np.asarray(states, np.float32)
    begins = _begins(states)
    reach = _EDGES - begins[..., None]  # (B, 8 + 2·n, 33)
    np.maximum(reach, _ZERO, out=reach)
    np.minimum(reach, _lengths(begins.shape[1]), out=reach)
    shares = reach[..., 1:] - reach[..., :-1]  # (B, 8 + 2·n, 32)
    free = _ONE - _blocks(states, begins, shares)
    hand = _hand(shares[:, _FINGERS, _HAND_COLUMNS])
    free[:, *_HAND] -= hand
    np.maximum(free, _ZERO, out=free)  # solids overlap by no more than contacts give way
    colours = _surroundings(begins[:, _TABLE], shares)  # (B, 3, 32, 32): long rows are fast
    colours *= free[:, None]
    colours += _WHITE
    under = colours[:, :, *_HAND]
    under += hand[:, None] * _GRIPPER
    image = np.empty((len(states), PIXELS, PIXELS, CHANNELS), np.uint8) if out is None else out
    drawn = colours.astype(np.uint8)
    for channel in range(CHANNELS):  # faster than all at once
        image[..., channel] = drawn[:, channel]
    return image


def _begins(states: Floats) -> Floats:
    """Return the first pixel of every box, from the left or the top of the view, `(B, 8 + 2·n)`."""
    places = states[:, geometry.GRIPPER_NUMBERS :].reshape(len(states), -1, geometry.BLOCK_NUMBERS)
    begins = np.empty((len(states), _BLOCKS.start + 2 * places.shape[1]), np.float32)
    blocks = begins[:, _BLOCKS].reshape(len(states), -1, 2)
    np.subtract(places[..., :2], states[:, None, :2], out=blocks)
    blocks *= _DIRECTIONS
    blocks += _BLOCKS_BEGIN
    fingers = begins[:, _FINGERS]
    np.multiply(states[:, 4:6], _OUTWARDS, out=fingers)
    fingers += _FINGERS_BEGIN
    gripper = states[:, :2] * _PER_METRE
    np.subtract(_STRIPES_BEGIN, np.mod(gripper[:, :1], _PAIR), out=begins[:, _STRIPES])
    np.add(gripper[:, 1], _ABOVE, out=begins[:, _TABLE])
    return begins


@functools.cache
def _lengths(boxes: int) -> Floats:
    """Return the lengths of the boxes in pixels, `(8 + 2·n, 1)`; the table is endless."""
    fixed = [_THICK] * 2 + [STRIPE * _SCALE] * len(_STRIPES_BEGIN) + [np.inf]
    return _floats(fixed + [_SIDE] * (boxes - len(fixed)))[:, None]


def _surroundings(surface: Floats, shares: Floats) -> Floats:
    """Return the colours `(B, 3, 32, 32)` of stripes, ramp and table, minus a block's colour.

    Args:
        surface: first pixel of the table, from the top, `(B,)`.
        shares: share of each pixel that each box covers, `(B, 8 + 2·n, 32)`.
    """
    above = _ONE - shares[:, _TABLE]  # (B, 32)
    height = surface[:, None] - _EDGES[:-1]
    height -= _HALF * above
    height *= above  # the ramp's mean in a pixel
    rows = above[:, None] * _SKY  # (B, 3, 32)
    rows += height[:, None] * _RAMP
    rows += _ON_TABLE
    colours = np.empty((*rows.shape, PIXELS), np.float32)
    colours[:] = rows[..., None]
    above *= _BRIGHTER
    red = colours[:, 0]
    red += above[..., None] * np.add.reduce(shares[:, _STRIPES], axis=1)[:, None]
    return colours


def _blocks(states: Floats, begins: Floats, shares: Floats) -> Floats:
    """Return the share of every pixel that blocks cover, `(B, 32, 32)`; overwrites `shares` of turned blocks."""
    count = len(states)
    boxes = shares[:, _BLOCKS].reshape(count, -1, 2, PIXELS)
    columns, rows = boxes[:, :, 0], boxes[:, :, 1]  # (B, n, 32)
    begin = begins[:, _BLOCKS].reshape(count, -1, 2)
    near = np.abs(begin - _MIDDLE) < _NEAR
    angles = states[:, geometry.GRIPPER_NUMBERS + 2 :: geometry.BLOCK_NUMBERS]
    turned = np.abs(angles) > _UPRIGHT
    turned &= near[..., 0]
    turned &= near[..., 1]
    if not turned.any():  # an upright block's share is the product of its shares along rows and along columns
        return rows.transpose(0, 2, 1) @ columns
    rows *= ~turned[..., None]
    images: Floats = rows.transpose(0, 2, 1) @ columns
    _turned.add(images, turned.nonzero()[0], begin[turned] + _HALF_SIDE, angles[turned])
    return images


# The gripper is always at the same place of the view.
_REACH = (geometry.OPENING + 2 * geometry.FINGER_RADIUS) * _SCALE  # open fingers reach farther than the palm
_TIP = -geometry.FINGER_HALF - geometry.FINGER_RADIUS
_HAND_ROWS = slice(math.floor(_HEIGHT - geometry.PALM_TOP * _SCALE), math.ceil(_HEIGHT - _TIP * _SCALE))
_HAND_COLUMNS = slice(math.floor(PIXELS / 2 - _REACH), math.ceil(PIXELS / 2 + _REACH))
_HAND = (_HAND_ROWS, _HAND_COLUMNS)
_GRIPPER = (GRIPPER - BLOCK)[:, None, None]


def _between(first: float, last: float) -> Floats:
    """Return the share of every pixel along an axis that lies between two places, `(32,)`."""
    return np.diff(np.clip(_EDGES, first, last)).astype(np.float32)


_FINGER_ROWS = _between(_HEIGHT - geometry.PALM_BOTTOM * _SCALE, _HEIGHT - _TIP * _SCALE)[_HAND_ROWS, None]
_PALM_ROWS = _between(_HEIGHT - geometry.PALM_TOP * _SCALE, _HEIGHT - geometry.PALM_BOTTOM * _SCALE)[_HAND_ROWS, None]
_PALM_HALF = geometry.PALM_HALF * _SCALE
_PALM = _PALM_ROWS * _between(PIXELS / 2 - _PALM_HALF, PIXELS / 2 + _PALM_HALF)[_HAND_COLUMNS]


def _hand(fingers: Floats) -> Floats:
    """Return the share of the pixels `_HAND` under palm and fingers `(B, 2, columns)`, `(B, rows, columns)`."""
    shares: Floats = _FINGER_ROWS * (fingers[:, :1] + fingers[:, 1:])
    shares += _PALM
    return shares
