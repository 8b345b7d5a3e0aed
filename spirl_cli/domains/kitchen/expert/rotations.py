"""Orientations of the gripper from yaw, pitch and roll, and the rotation between two orientations.

The gripper's own axes are: x up, y in the direction in which the fingers open, z forward. If all three angles are zero,
it points along world +y, towards the kitchen, and its fingers open along world x.
"""

from __future__ import annotations

import math

import numpy as np

UP = np.array([0.0, 0.0, 1.0])


def pointing(yaw: float, pitch: float, roll: float = 0.0) -> np.ndarray:
    """Return the rotation matrix `(3, 3)` of the gripper, with its axes x, y, z as columns.

    Args:
        yaw: radians to the left of world +y (towards the microwave).
        pitch: radians above the horizontal.
        roll: radians about its forward axis; positive lifts the finger on the right.
    """
    forward = np.array([-math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), math.sin(pitch)])
    level = np.array([math.cos(yaw), math.sin(yaw), 0.0])  # horizontal, to the right of the forward axis
    across = math.cos(roll) * level + math.sin(roll) * cross(level, forward)
    return np.stack([cross(across, forward), across, forward], axis=1)


def rotation_between(target: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the rotation vector `(3,)`, axis times radians in the world, that turns `present` into `target`."""
    difference = target @ present.T
    axis = np.array(
        [
            difference[2, 1] - difference[1, 2],
            difference[0, 2] - difference[2, 0],
            difference[1, 0] - difference[0, 1],
        ]
    )
    length = math.sqrt(axis.dot(axis))  # axis times twice the sine of the angle
    angle = math.atan2(length, float(np.trace(difference)) - 1.0)
    return axis * (angle / length) if length > 1e-9 else np.zeros(3)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cross product of two vectors `(3,)`, much faster than NumPy for one pair."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
