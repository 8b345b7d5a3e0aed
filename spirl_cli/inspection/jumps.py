"""Jumps of the state inside an episode that look as if it had been reset there."""

from __future__ import annotations

import numpy as np

_USUAL = 0.98  # quantile of a number's steps that counts as its usual largest one
_TIMES = 3.0  # a jump is so many times larger
_LEAST = 0.05  # of a number's range, that a jump has at least
_CHANGING = 1e-3  # of a number's range, above which a number changes at a step
_SETTLING = 4  # steps at the start of an episode, where simulations settle
_APART = 10  # steps; jumps closer to one another are one


def find_jumps(states: np.ndarray) -> list[int]:
    """Return the steps at which most of the numbers that change jump at once, far beyond their usual steps.

    Contacts make a few numbers jump; only a reset, or an end that was not marked, makes most do. In systems whose
    states change as fast as a reset changes them, such as a pendulum, many resets stay unseen.

    Args:
        states: `(T+1, D)`.

    Returns:
        Each t whose state t + 1 does not seem to follow from state t.
    """
    values = np.nan_to_num(states.astype(np.float64), posinf=0.0, neginf=0.0)
    spread = np.ptp(values, axis=0)  # (D,)
    values, spread = values[:, spread > 0], spread[spread > 0]
    if len(values) <= 2 * _SETTLING or len(spread) < 2:
        return []
    steps = np.abs(np.diff(values, axis=0))  # (T, D)
    usual = np.quantile(steps, _USUAL, axis=0)
    changing = (steps > _CHANGING * spread).sum(axis=1)
    jumped = ((steps > _TIMES * usual) & (steps > _LEAST * spread)).sum(axis=1)
    found = np.flatnonzero((changing >= 2) & (jumped > 0.5 * changing))
    return _first_of_each(found[found >= _SETTLING])


def _first_of_each(found: np.ndarray) -> list[int]:
    """Keep the first of jumps that lie close together."""
    apart = np.diff(found, prepend=-_APART - 1) > _APART
    return [int(step) for step in found[apart]]
