"""Sizes and positions in the plane x = 0, in metres; y points to the right and z up.

A state is one vector of 8 + 3·n numbers for n blocks::

    0, 1    y and z of the point between the fingers
    2, 3    its velocity, m/s
    4, 5    distances of the left and the right finger from that point
    6       mean speed at which the two fingers open, m/s
    7       the last command to the fingers: 1 open, -1 close
    8 …     y, z and angle of every block; blocks are numbered from left to right by their first positions

A cube looks the same after a quarter turn, so its angle is in [-π/4, π/4).
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

BLOCK = 0.08  # side of a cube
HALF = BLOCK / 2
GRIPPER_NUMBERS, BLOCK_NUMBERS = 8, 3  # numbers of a state: for the gripper, for each block
LENGTH_PER_BLOCK = 0.2  # metres of table for each block
GAP = 0.04  # smallest gap between blocks at the start; a finger fits into it
HEADROOM = 0.2  # room for the fingers above a tower of all blocks
LOWEST = 0.036  # z at which the fingers touch the table
OPENING, NARROWEST = 0.055, 0.008  # largest and smallest distance of a finger from the middle
FINGER_RADIUS, FINGER_HALF = 0.008, 0.025  # an upright capsule, centred at the gripper's height
PALM_BOTTOM, PALM_TOP, PALM_HALF = 0.055, 0.085, 0.065  # heights above the gripper; half of the palm's width

Array: TypeAlias = npt.NDArray[np.floating]


def state_size(blocks: int) -> int:
    """Return how many numbers a state with this many blocks has."""
    return GRIPPER_NUMBERS + BLOCK_NUMBERS * blocks


def blocks_in(state_numbers: int) -> int:
    """Return how many blocks a state of this size has: the inverse of `state_size`, rounded down."""
    return (state_numbers - GRIPPER_NUMBERS) // BLOCK_NUMBERS


def typical(blocks: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return rough means and spreads of the numbers of a state, `(8 + 3·n,)` each, known without data."""
    even = 1 / math.sqrt(3)  # the standard deviation of the uniform distribution in [-1, 1]
    side = half_length(blocks) * even
    height = ceiling(blocks) / 2
    gripper = [(0, side), (height, height * even), (0, 0.3), (0, 0.3), (0.047, 0.01), (0.047, 0.01), (0, 0.1), (0, 1)]
    block = [(0, side), (HALF, BLOCK), (0, 0.1)]
    mean, spread = np.array(gripper + block * blocks, np.float32).T
    return mean, spread


def half_length(blocks: int) -> float:
    """Return half the distance between the side walls; the middle of the table is y = 0."""
    return blocks * LENGTH_PER_BLOCK / 2


def ceiling(blocks: int) -> float:
    """Return the largest height of the gripper."""
    return blocks * BLOCK + HEADROOM


def wrap(angles: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Add quarter turns to angles until they lie in [-π/4, π/4)."""
    quarter = math.pi / 2
    return np.mod(np.asarray(angles) + quarter / 2, quarter) - quarter / 2


def random_places(blocks: int, stacked: int, rng: np.random.Generator, gap: float = GAP) -> npt.NDArray[np.float64]:
    """Put blocks on the table, with one tower among them.

    Args:
        blocks: n.
        stacked: how many blocks lie on another one, in one tower.
        rng: draws the positions, and the blocks of the tower.
        gap: smallest gap between neighbours, m.

    Returns:
        y, z and angle `(n, 3)`; the rows of the tower's blocks are adjacent, from bottom to top.
    """
    columns = blocks - stacked
    # The room that is left is split among the gaps like a stick broken at random places.
    room = 2 * half_length(blocks) - columns * BLOCK - (columns + 1) * gap
    shares = rng.dirichlet(np.ones(columns + 1))  # the last gap is the room right of all blocks
    left = -half_length(blocks) + np.cumsum(shares[:-1]) * room + gap + np.arange(columns) * (BLOCK + gap)
    tower = rng.integers(columns)
    heights = np.where(np.arange(columns) == tower, 1 + stacked, 1)
    y = np.repeat(left + HALF, heights)
    level = np.concatenate([np.arange(height) for height in heights])
    return np.stack([y, level * BLOCK + HALF, np.zeros(blocks)], axis=1)
