"""What an agent sees of the blocks: the plane around its gripper, drawn without OpenGL.

The view is a square that moves with the gripper. A pixel is the exact mean of the colours in its
square, which is what makes small motions visible (METHOD §7). The background says where one is:
stripes across y in the red channel, a ramp along z in the blue one. Table and stripes have no end, so
that a view depends on the state alone.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from spirl_cli.blocks import scene

PIXELS = 32
CHANNELS = 3
VIEW = 0.8  # m, side of the view
BELOW = 0.5  # m of it lie below the gripper
STRIPE = 0.1  # m, width of a stripe
BACKGROUND = np.array([70, 30, 40], np.float32)
STRIPES = np.float32(40)  # added to red in every other stripe
RAMP = np.array([0, 0, 140], np.float32)  # added per metre of height
TABLE = np.array([20, 70, 20], np.float32)
BLOCK = np.float32(245)  # in all channels: white
GRIPPER = np.array([40, 220, 60], np.float32)

UPRIGHT = 1e-3  # rad; a block that is turned by less looks upright, since no grey value would change by one

_PIXEL = VIEW / PIXELS
_EDGES = np.arange(PIXELS + 1, dtype=np.float32)  # of the pixels, in pixels
_WINDOW = 6  # pixels along a side that a turned block can touch
_GRID = _EDGES[: _WINDOW + 1]
_SIDE = PIXELS + 2 * _WINDOW  # of an image with room for windows that lie partly outside
_INSIDE = (_SIDE * np.arange(_WINDOW)[:, None] + np.arange(_WINDOW)).ravel()  # a window's places in it
_CORNERS = (scene.HALF / _PIXEL * np.array([-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j])).astype(np.complex64)
_NEXT = [1, 2, 3, 0]
_HALF = np.float32(scene.HALF / _PIXEL)
_NEAR = PIXELS / 2 + _WINDOW / 2  # pixels from the middle of the view, within which a block may be seen

# Where the edges of the pixels are, to the right of the gripper and above it, in metres.
_RIGHT = (_EDGES * _PIXEL - VIEW / 2).astype(np.float32)
_UP = (VIEW - BELOW - _EDGES * _PIXEL).astype(np.float32)
_PER_METRE = np.float32(1 / _PIXEL)
_EVERYWHERE = np.stack([RAMP / 2, TABLE], axis=1)[..., None]  # (3, 2, 1), colours that do not vary along y


def draw(states: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Draw what is seen in some states (B, 8 + 3·n), see `spirl_cli.blocks.scene`.

    Returns:
        uint8 (B, 32, 32, 3): rows from top to bottom, columns along y, red, green, blue.
    """
    states = np.asarray(states, np.float32)
    colours = _surroundings(states[:, 0:1], states[:, 1:2])  # (B, 3, 32, 32): long rows are fast
    blocks = _blocks(states)
    hand, here = _gripper(states[:, 4:6]), blocks[:, *_HAND]
    np.minimum(here, 1 - hand, out=here)  # solids do not overlap, but for what they sink in
    patch = hand[:, None] * (GRIPPER[:, None, None] - colours[:, :, *_HAND])
    colours *= (1 - blocks)[:, None]
    colours += (BLOCK * blocks + 0.5)[:, None]  # the half rounds, since conversion to integers truncates
    colours[:, :, *_HAND] += patch
    image = np.empty((len(states), PIXELS, PIXELS, CHANNELS), np.uint8)
    np.copyto(image, colours.transpose(0, 2, 3, 1), casting="unsafe")
    return image


def _surroundings(y: npt.NDArray[np.float32], z: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Colours (B, 3, 32, 32) of stripes, ramp and table around places y, z (B, 1)."""
    along = (y + _RIGHT) * np.float32(0.5 / STRIPE)  # (B, 33), in pairs of stripes
    pair = np.floor(along)
    covered = pair + np.minimum(2 * (along - pair), 1)  # bright stripes left of an edge
    bright = (covered[:, 1:] - covered[:, :-1]) * np.float32(STRIPE / _PIXEL)
    height = np.maximum(z + _UP, 0)  # (B, 33), falling; 0 below the table
    square = height * height
    above = (height[:, :-1] - height[:, 1:]) * _PER_METRE  # share above the table
    mean = (square[:, :-1] - square[:, 1:]) * (0.5 * _PER_METRE)
    rows = above[:, None] * (BACKGROUND - TABLE)[:, None] + mean[:, None] * RAMP[:, None] + TABLE[:, None]  # (B, 3, 32)
    colours = np.empty((*rows.shape, PIXELS), np.float32)
    colours[:] = rows[..., None]
    colours[:, 0] += (STRIPES * above)[..., None] * bright[:, None]
    return colours


def _gripper(fingers: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Share of the pixels `_HAND` that the palm and the two fingers (B, 2) cover, (B, rows, columns)."""
    left, right = -fingers[:, :1], fingers[:, 1:]
    wide = _columns(left - _THICK, left) + _columns(right, right + _THICK)  # (B, columns)
    return _FINGER_ROWS * wide[:, None] + _PALM


def _columns(first: npt.NDArray[np.float32], last: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Share of every column of `_HAND` between two distances to the right of the gripper (B, 1)."""
    edges = np.minimum(np.maximum(_RIGHT[_FIRST_COLUMN : _LAST_COLUMN + 1], first), last)
    return (edges[:, 1:] - edges[:, :-1]) * _PER_METRE


def _rows(low: float, high: float) -> npt.NDArray[np.float32]:
    """Share of every row of `_HAND` between two heights above the gripper, (rows, 1)."""
    edges = np.clip(_UP[_FIRST_ROW : _LAST_ROW + 1], low, high)
    return ((edges[:-1] - edges[1:]) * _PER_METRE)[:, None]


# The gripper is always at the same place of the view.
_THICK = np.float32(2 * scene.FINGER_RADIUS)
_REACH = scene.OPENING + 2 * scene.FINGER_RADIUS  # of open fingers, farther than the palm
_FIRST_COLUMN, _LAST_COLUMN = math.floor((VIEW / 2 - _REACH) / _PIXEL), math.ceil((VIEW / 2 + _REACH) / _PIXEL)
_TIP = -scene.FINGER_HALF - scene.FINGER_RADIUS
_FIRST_ROW, _LAST_ROW = math.floor((VIEW - BELOW - scene.PALM_TOP) / _PIXEL), math.ceil((VIEW - BELOW - _TIP) / _PIXEL)
_HAND = (slice(_FIRST_ROW, _LAST_ROW), slice(_FIRST_COLUMN, _LAST_COLUMN))
_FINGER_ROWS = _rows(_TIP, scene.PALM_BOTTOM)
_PALM_EDGE = np.full((1, 1), scene.PALM_HALF, np.float32)
_PALM = _rows(scene.PALM_BOTTOM, scene.PALM_TOP) * _columns(-_PALM_EDGE, _PALM_EDGE)


def _blocks(states: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Share of every pixel that blocks cover, (B, 32, 32)."""
    places = states[:, scene.GRIPPER_NUMBERS :]
    right = (places[:, 0::3] - states[:, 0:1] + VIEW / 2) * _PER_METRE  # (B, n) of the centres, in pixels
    down = (states[:, 1:2] + (VIEW - BELOW) - places[:, 1::3]) * _PER_METRE
    turned = np.abs(places[:, 2::3]) > UPRIGHT
    # Those that stand upright are a product of what they cover along rows and along columns.
    rows, columns = _overlaps(down), _overlaps(right)  # (B, n, 32)
    if not turned.any():
        return rows.transpose(0, 2, 1) @ columns
    rows *= ~turned[..., None]
    images: npt.NDArray[np.float32] = rows.transpose(0, 2, 1) @ columns
    near = turned & (np.abs(right - PIXELS / 2) < _NEAR) & (np.abs(down - PIXELS / 2) < _NEAR)
    owner, _ = np.nonzero(near)
    _add_turned(images, owner, right[near] + 1j * down[near], places[:, 2::3][near])
    return images


def _overlaps(centres: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Share of every pixel along an axis that upright blocks (B, n) cover, (B, n, 32)."""
    reach = np.minimum(np.maximum(_EDGES - (centres - _HALF)[..., None], 0), 2 * _HALF)
    shares: npt.NDArray[np.float32] = reach[..., 1:] - reach[..., :-1]
    return shares


def _add_turned(
    images: npt.NDArray[np.float32],
    owner: npt.NDArray[np.intp],
    centres: npt.NDArray[np.complexfloating],
    angles: npt.NDArray[np.float32],
) -> None:
    """Add turned blocks (m,) to the images (B, 32, 32) that own them, in place.

    Points of the plane are complex numbers, in pixels to the right and down.
    """
    corner = centres - (_WINDOW / 2 - 0.5) * (1 + 1j)
    column, row = np.floor(corner.real), np.floor(corner.imag)  # of the first pixel of a window around each
    corners = (centres - column - 1j * row)[:, None] + _CORNERS * np.exp(-1j * angles)[:, None]  # (m, 4)
    shares = _shares(corners.astype(np.complex64))
    first = (owner * _SIDE + row.astype(np.intp) + _WINDOW) * _SIDE + column.astype(np.intp) + _WINDOW
    size = len(images) * _SIDE * _SIDE
    summed = np.bincount((first[:, None] + _INSIDE).ravel(), shares.ravel(), minlength=size)
    images += summed.reshape(-1, _SIDE, _SIDE)[:, _WINDOW:-_WINDOW, _WINDOW:-_WINDOW]


def _shares(corners: npt.NDArray[np.complex64]) -> npt.NDArray[np.float32]:
    """Share of every pixel of a window that quadrangles cover, (m, 6, 6).

    The area left of x and above y is by Green's theorem a sum over the sides of the integral of
    min(side, x) dy; the shares are its second differences on the grid of the pixels.

    Args:
        corners: (m, 4), in pixels from the window's upper left corner, the shape on the right of its sides.
    """
    ends = corners[:, _NEXT]
    falls = corners.imag < ends.imag
    upper, lower = np.where(falls, corners, ends), np.where(falls, ends, corners)  # (m, 4)
    span = np.maximum(lower.imag - upper.imag, np.float32(1e-5))
    slope = ((lower.real - upper.real) / span)[..., None]
    left, top = upper.real[..., None], upper.imag[..., None]
    length = np.minimum(np.maximum(_GRID - top, 0), span[..., None])  # (m, 4, 7), of the side above an edge
    moved = slope * length
    low = left + np.minimum(moved, 0)
    width = np.maximum(np.abs(moved), np.float32(1e-6))
    length = np.where(falls[..., None], length, -length)
    # mean of min(x, X) over that length = X - mean of max(X - x, 0), x even from low to low + width
    excess = np.maximum(_GRID - low[..., None], 0)  # (m, 4, 7, 7)
    within = np.minimum(excess, width[..., None])
    excess -= within  # beyond the side
    excess += within * within * (0.5 / width)[..., None]
    np.subtract(_GRID, excess, out=excess)
    excess *= length[..., None]
    area = excess.sum(axis=1)  # (m, 7, 7)
    rows = area[:, 1:] - area[:, :-1]
    shares: npt.NDArray[np.float32] = rows[..., 1:] - rows[..., :-1]
    return shares
