"""Sizes in the plane x = 0, and where things lie at the start. Lengths are metres, y to the right and z up.

A state is one vector of 8 + 3·n numbers for n blocks::

    0, 1    y and z of the point between the fingers
    2, 3    its velocity, m/s
    4, 5    distance of the left and of the right finger from it
    6       speed at which the fingers part, m/s, mean of both
    7       what they were last told: 1 open, -1 close
    8 …     y, z and angle of every block, numbered from left to right as they lay at the start

A cube looks the same after a quarter turn, so its angle is in [-π/4, π/4).
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

BLOCK = 0.08  # side of a cube
HALF = BLOCK / 2
GRIPPER_NUMBERS, BLOCK_NUMBERS = 8, 3  # of a state
LENGTH_PER_BLOCK = 0.2  # of the table
GAP = 0.04  # smallest between blocks at the start; a finger fits in
HEADROOM = 0.2  # how far the fingers can rise above the top of a tower of all blocks
LOWEST = 0.036  # z of the fingers where they would touch the table
OPENING, NARROWEST = 0.055, 0.008  # largest and smallest distance of a finger from the middle
FINGER_RADIUS, FINGER_HALF = 0.008, 0.025  # a capsule, upright, its middle at the height of the gripper
PALM_BOTTOM, PALM_TOP, PALM_HALF = 0.055, 0.085, 0.065  # above the gripper's height; half of its width

Array: TypeAlias = npt.NDArray[np.floating]


def state_size(blocks: int) -> int:
    """Numbers of a state with so many blocks."""
    return GRIPPER_NUMBERS + BLOCK_NUMBERS * blocks


def blocks_in(state_numbers: int) -> int:
    """Inverse of :func:`state_size`; rounds down."""
    return (state_numbers - GRIPPER_NUMBERS) // BLOCK_NUMBERS


def typical(blocks: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return mean and spread of the numbers of a state, (8 + 3·n,) each, as far as one can know beforehand."""
    even = 1 / math.sqrt(3)  # the standard deviation of what is even in [-1, 1]
    side = half_length(blocks) * even
    height = ceiling(blocks) / 2
    gripper = [(0, side), (height, height * even), (0, 0.3), (0, 0.3), (0.047, 0.01), (0.047, 0.01), (0, 0.1), (0, 1)]
    block = [(0, side), (HALF, BLOCK), (0, 0.1)]
    mean, spread = np.array(gripper + block * blocks, np.float32).T
    return mean, spread


def half_length(blocks: int) -> float:
    """Half the distance of the side walls; the middle of the table is y = 0."""
    return blocks * LENGTH_PER_BLOCK / 2


def ceiling(blocks: int) -> float:
    """How high the gripper gets."""
    return blocks * BLOCK + HEADROOM


def wrap(angles: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Bring angles to [-π/4, π/4), by quarter turns."""
    quarter = math.pi / 2
    return np.mod(np.asarray(angles) + quarter / 2, quarter) - quarter / 2


def random_places(blocks: int, stacked: int, rng: np.random.Generator, gap: float = GAP) -> npt.NDArray[np.float64]:
    """Put blocks on the table, with one tower among them.

    Args:
        blocks: n.
        stacked: blocks that lie on another, all on the same.
        rng: decides where, and which.
        gap: smallest between them, m.

    Returns:
        y, z and angle (n, 3); the tower's blocks follow each other from bottom to top.
    """
    columns = blocks - stacked
    # The gaps between the columns share the room that is left like broken sticks.
    room = 2 * half_length(blocks) - columns * BLOCK - (columns + 1) * gap
    shares = rng.dirichlet(np.ones(columns + 1))  # the last one is the room right of all
    left = -half_length(blocks) + np.cumsum(shares[:-1]) * room + gap + np.arange(columns) * (BLOCK + gap)
    tower = rng.integers(columns)
    heights = np.where(np.arange(columns) == tower, 1 + stacked, 1)
    y = np.repeat(left + HALF, heights)
    level = np.concatenate([np.arange(height) for height in heights])
    return np.stack([y, level * BLOCK + HALF, np.zeros(blocks)], axis=1)
