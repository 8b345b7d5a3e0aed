"""Blocks and a hand to move them, for tests."""

from __future__ import annotations

import numpy as np

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.physics import BlocksPhysics


def row(blocks: int) -> np.ndarray:
    """Places of blocks in a row, (n, 3)."""
    y = (np.arange(blocks) - (blocks - 1) / 2) * 0.18
    return np.stack([y, np.full(blocks, geometry.HALF), np.zeros(blocks)], axis=1)


def steer(physics: BlocksPhysics, y: float, z: float, fingers: float, steps: int = 40) -> None:
    """Move the gripper to a place."""
    for _ in range(steps):
        offset = np.array([y, z]) - physics.state[:2]
        physics.step(np.append(np.clip(12 * offset, -1, 1), fingers))
        if np.abs(offset).max() < 0.004:
            break


def wait(physics: BlocksPhysics, fingers: float, steps: int) -> None:
    """Hold the gripper where it is, with a command for its fingers."""
    for _ in range(steps):
        physics.step(np.array([0.0, 0.0, fingers]))


def grasp(physics: BlocksPhysics, block: int) -> None:
    """Take a block and lift it."""
    y, z = physics.places[block, :2]
    for height in (z + 0.2, z):
        steer(physics, y, height, 1.0)
    wait(physics, -1.0, 4)
    steer(physics, y, z + 0.2, -1.0)
