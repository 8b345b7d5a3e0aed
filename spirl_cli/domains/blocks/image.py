"""What an agent sees of the blocks: the plane around its gripper, drawn without OpenGL.

The view is a square that moves with the gripper. A pixel is the exact mean of the colours in its
square, which is what makes small motions visible (docs/blocks.md#image). The background says where one is:
stripes across y in the red channel, a ramp along z in the blue one. Table and stripes have no end, so
that a view depends on the state alone.

An environment draws one view at every step, and then the calls of NumPy cost more than their arithmetic:
hence few calls on much at once, most of them in place, and constants that are arrays.
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
BELOW = 0.5  # m of it lie below the gripper
STRIPE = 0.1  # m, width of a stripe
BACKGROUND = np.array([70, 30, 40], np.float32)
STRIPES = 40  # added to red in every other stripe
RAMP = np.array([0, 0, 140], np.float32)  # added per metre of height
TABLE = np.array([20, 70, 20], np.float32)
BLOCK = 245  # in all channels: white
GRIPPER = np.array([40, 220, 60], np.float32)

UPRIGHT = 1e-3  # rad; a block that is turned by less looks upright, since no grey value would change by one

Floats: TypeAlias = npt.NDArray[np.float32]


def _floats(values: npt.ArrayLike) -> Floats:
    return np.array(values, np.float32)


_SCALE = PIXELS / VIEW  # pixels per metre
_EDGES = np.arange(PIXELS + 1, dtype=np.float32)  # of the pixels
_ZERO, _ONE, _HALF = map(_floats, (0, 1, 0.5))

# Shares of pixels are computed for boxes along one axis: two fingers and the bright stripes along the columns, the
# table along the rows, and every block along both. A box begins at some pixel and is so many pixels long.
_FINGERS, _STRIPES, _TABLE, _BLOCKS = slice(0, 2), slice(2, 7), 7, slice(8, None)
_THICK, _SIDE, _HEIGHT = 2 * geometry.FINGER_RADIUS * _SCALE, geometry.BLOCK * _SCALE, (VIEW - BELOW) * _SCALE
_DIRECTIONS = _floats([_SCALE, -_SCALE])  # columns count to the right, rows downwards
_OUTWARDS = _floats([-_SCALE, _SCALE])
_BLOCKS_BEGIN = _floats([PIXELS / 2 - _SIDE / 2, _HEIGHT - _SIDE / 2])
_FINGERS_BEGIN = _floats([PIXELS / 2 - _THICK, PIXELS / 2])
_PAIR = _floats(2 * STRIPE * _SCALE)  # of stripes; the view begins at a whole number of them left of the gripper
_STRIPES_BEGIN = _PAIR * np.arange(5, dtype=np.float32)
_PER_METRE, _ABOVE = _floats(_SCALE), _floats(_HEIGHT)

# Colours (3, 1) in addition to that of a block: of the table, and what is added to it by sky and ramp.
_ON_TABLE, _SKY = (TABLE - BLOCK)[:, None], (BACKGROUND - TABLE)[:, None]
_RAMP = (RAMP / _SCALE)[:, None]
_BRIGHTER = _floats(STRIPES)
_WHITE = _floats(BLOCK + 0.5)  # the half rounds, since conversion to integers truncates

_turned = TurnedBlocks(PIXELS, _SIDE)
_UPRIGHT, _MIDDLE, _HALF_SIDE = _floats(UPRIGHT), _floats(PIXELS / 2 - _SIDE / 2), _floats(_SIDE / 2)
_NEAR = _floats((PIXELS + _turned.window) / 2)  # pixels from the middle of the view, within which a block may be seen


def draw(states: npt.NDArray[np.floating], out: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.uint8]:
    """Draw what is seen in some states (B, 8 + 3·n), see `spirl_cli.domains.blocks.geometry`.

    Args:
        states: what to draw.
        out: where to, uint8 (B, 32, 32, 3); None: a new array.

    Returns:
        uint8 (B, 32, 32, 3): rows from top to bottom, columns along y, red, green, blue.
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
    np.maximum(free, _ZERO, out=free)  # solids do not overlap, but for what they sink in
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
    """Where the boxes begin, in pixels from the left or the top of the view, (B, 8 + 2·n)."""
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
    """Lengths of the boxes in pixels, (8 + 2·n, 1); the table has no end."""
    fixed = [_THICK] * 2 + [STRIPE * _SCALE] * len(_STRIPES_BEGIN) + [np.inf]
    return _floats(fixed + [_SIDE] * (boxes - len(fixed)))[:, None]


def _surroundings(surface: Floats, shares: Floats) -> Floats:
    """Colours (B, 3, 32, 32) of stripes, ramp and table, less that of a block.

    Args:
        surface: where the table begins, in pixels from the top (B,).
        shares: of all boxes, (B, 8 + 2·n, 32).
    """
    above = _ONE - shares[:, _TABLE]  # (B, 32)
    height = surface[:, None] - _EDGES[:-1]
    height -= _HALF * above
    height *= above  # its mean in a pixel
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
    """Share of every pixel that blocks cover, (B, 32, 32); shares of those that are turned are lost."""
    count = len(states)
    boxes = shares[:, _BLOCKS].reshape(count, -1, 2, PIXELS)
    columns, rows = boxes[:, :, 0], boxes[:, :, 1]  # (B, n, 32)
    begin = begins[:, _BLOCKS].reshape(count, -1, 2)
    near = np.abs(begin - _MIDDLE) < _NEAR
    angles = states[:, geometry.GRIPPER_NUMBERS + 2 :: geometry.BLOCK_NUMBERS]
    turned = np.abs(angles) > _UPRIGHT
    turned &= near[..., 0]
    turned &= near[..., 1]
    if not turned.any():  # upright blocks are a product of what they cover along rows and along columns
        return rows.transpose(0, 2, 1) @ columns
    rows *= ~turned[..., None]
    images: Floats = rows.transpose(0, 2, 1) @ columns
    _turned.add(images, turned.nonzero()[0], begin[turned] + _HALF_SIDE, angles[turned])
    return images


# The gripper is always at the same place of the view.
_REACH = (geometry.OPENING + 2 * geometry.FINGER_RADIUS) * _SCALE  # of open fingers, farther than the palm
_TIP = -geometry.FINGER_HALF - geometry.FINGER_RADIUS
_HAND_ROWS = slice(math.floor(_HEIGHT - geometry.PALM_TOP * _SCALE), math.ceil(_HEIGHT - _TIP * _SCALE))
_HAND_COLUMNS = slice(math.floor(PIXELS / 2 - _REACH), math.ceil(PIXELS / 2 + _REACH))
_HAND = (_HAND_ROWS, _HAND_COLUMNS)
_GRIPPER = (GRIPPER - BLOCK)[:, None, None]


def _between(first: float, last: float) -> Floats:
    """Share of every pixel along an axis between two places, (32,)."""
    return np.diff(np.clip(_EDGES, first, last)).astype(np.float32)


_FINGER_ROWS = _between(_HEIGHT - geometry.PALM_BOTTOM * _SCALE, _HEIGHT - _TIP * _SCALE)[_HAND_ROWS, None]
_PALM_ROWS = _between(_HEIGHT - geometry.PALM_TOP * _SCALE, _HEIGHT - geometry.PALM_BOTTOM * _SCALE)[_HAND_ROWS, None]
_PALM_HALF = geometry.PALM_HALF * _SCALE
_PALM = _PALM_ROWS * _between(PIXELS / 2 - _PALM_HALF, PIXELS / 2 + _PALM_HALF)[_HAND_COLUMNS]


def _hand(fingers: Floats) -> Floats:
    """Share of the pixels `_HAND` that the palm and the fingers cover, (B, rows, columns); these (B, 2, columns)."""
    shares: Floats = _FINGER_ROWS * (fingers[:, :1] + fingers[:, 1:])
    shares += _PALM
    return shares
