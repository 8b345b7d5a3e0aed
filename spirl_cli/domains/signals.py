"""What environments report, in the forms in which they report it: rewards, success and ends of episodes."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from spirl_cli.errors import UsageError


def one_number(value: Any) -> float | None:
    """Return the number that a bool, a number or an array of size 1 holds; None for anything else.

    Texts, lists and dictionaries are no numbers here, whatever is in them.
    """
    if isinstance(value, Real) and not isinstance(value, np.timedelta64):
        try:
            return float(value)
        except OverflowError:  # an integer beyond any float
            return float("-inf") if value < 0 else float("inf")
    if isinstance(value, str | bytes | list | tuple | dict) or not hasattr(value, "__array__"):
        return None
    array = np.asarray(value)
    return float(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in "biuf" else None


def reward_number(reward: Any) -> float:
    """Return a reward as a number; arrays of size 1 are taken.

    Raises:
        UsageError: it is none.
    """
    number = one_number(reward)
    if number is None:
        raise UsageError(
            f"the environment's step() returned {described(reward)} as reward",
            "let it return one number, for instance the sum",
        )
    return number


def flag(value: Any, name: str) -> bool:
    """Return whether an episode ended, as a bool, 0 or 1, or an array with one of these says it.

    Python calls every text and every filled list or dictionary true, so that `"False"` would end each episode.

    Args:
        value: what `step` returned.
        name: of the value, `terminated` or `truncated`.

    Raises:
        UsageError: it is none of these.
    """
    number = one_number(value)
    if number not in (0.0, 1.0):
        raise UsageError(
            f"the environment's step() returned {described(value)} as {name}, which is neither true nor false",
            "let it return a bool; step() returns (observation, reward, terminated, truncated, info)",
        )
    return number == 1.0


def described(value: Any) -> str:
    """Return the type of a value, its shape if it has one, and the beginning of it."""
    shape = getattr(value, "shape", None)
    text = " ".join(repr(value).split())
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return f"{type(value).__name__}{f' of shape {tuple(shape)}' if shape is not None else ''} {shown}"
