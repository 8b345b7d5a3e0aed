"""Styles: variation between executions of a subtask, drawn once per subtask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Style:
    """The style of one execution of a subtask.

    Attributes:
        pace: factor of all speeds.
        grasp: `(3,)` metres, offset of the grasp.
        yaw, pitch, roll: radians, added to the orientation at the contact.
        bow: `(3,)` metres by which the way to the contact bends.
        standoff: metres in front of the contact, from where the way is straight.
        extent: -1 to 1, position within the range of final positions of the object.
    """

    pace: float
    grasp: np.ndarray
    yaw: float
    pitch: float
    roll: float
    bow: np.ndarray
    standoff: float
    extent: float


def plain_style() -> Style:
    """Return the style without any variation."""
    return Style(1.0, np.zeros(3), 0.0, 0.0, 0.0, np.zeros(3), 0.08, 0.0)


def draw_style(rng: np.random.Generator, variation: float = 1.0) -> Style:
    """Draw a style.

    Args:
        rng: the episode's.
        variation: 0 gives the plain style, 1 the variation among people.
    """
    normal, uniform = rng.standard_normal(9), rng.uniform(-1.0, 1.0, 6)
    return Style(
        pace=float(np.exp(variation * 0.13 * np.clip(normal[0], -2.0, 2.0))),
        grasp=variation * uniform[:3] * np.array([0.004, 0.006, 0.012]),
        yaw=variation * 0.05 * float(np.clip(normal[1], -2.0, 2.0)),
        pitch=variation * 0.05 * float(np.clip(normal[2], -2.0, 2.0)),
        roll=variation * 0.03 * float(np.clip(normal[3], -2.0, 2.0)),
        bow=variation * 0.04 * np.clip(normal[4:7], -2.0, 2.0),
        standoff=0.08 + variation * 0.02 * float(uniform[3]),
        extent=variation * float(uniform[4]),
    )
