"""Jumps of the state inside an episode that look as if it had been reset there."""

from __future__ import annotations

import numpy as np

_NEAR = 3  # steps on both sides that a step is compared with
_TIMES = 10.0  # a jump is so many times larger than the steps near it
_FLOOR = 0.01  # of a number's range; smaller steps near a jump count as this


def find_jumps(states: np.ndarray) -> list[int]:
    """Return the steps at which most numbers that move jump at once, far beyond the steps near it.

    Contacts make a few numbers jump; only a reset, or an end that was not marked, makes most do.

    Args:
        states: (T+1, D).

    Returns:
        Each t whose state t + 1 does not seem to follow from state t.
    """
    values = np.nan_to_num(states.astype(np.float64), posinf=0.0, neginf=0.0)
    spread = np.ptp(values, axis=0)  # (D,)
    values, spread = values[:, spread > 0], spread[spread > 0]
    if len(values) < 2 * _NEAR + 2 or len(spread) < 2:
        return []
    steps = np.abs(np.diff(values, axis=0))  # (T, D)
    jumped = steps > _TIMES * (_largest_near(steps) + _FLOOR * spread)
    return [int(step) for step in np.flatnonzero(jumped.mean(axis=1) > 0.5)]


def _largest_near(steps: np.ndarray) -> np.ndarray:
    """Return the largest of the steps near each step, itself left out, (T, D)."""
    padded = np.pad(steps, ((_NEAR, _NEAR), (0, 0)))
    shifts = [shift for shift in range(2 * _NEAR + 1) if shift != _NEAR]
    return np.stack([padded[shift : shift + len(steps)] for shift in shifts]).max(axis=0)
