"""What the recorded episodes themselves have: their returns and their success, where a dataset holds them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np

# in the manifest of clips, and before the names of its metrics
SCORE = "demonstrations"
REWARDS = ("rewards", "reward", "next.reward")
SUCCESS = ("success", "successes", "is_success", "next.success")


class Score:
    """Collects the outcome of one episode after the other.

    A quantity that one episode lacks, or that holds anything but finite numbers, is not told at all.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[float] | None] = {}
        self.reset()

    def reset(self) -> None:
        """Forget all episodes."""
        self._values = {"return": [], "success": [], "success_last": []}

    def add(self, rewards: Any, success: Any) -> None:
        """Add an episode.

        Args:
            rewards: of its T steps; None if the dataset has none.
            success: 0 or 1 of its steps, or once for the episode; None if the dataset does not say.
        """
        paid, reached = _numbers(rewards), _numbers(success)
        if reached is not None and not np.isin(reached, (0, 1)).all():
            reached = None
        self._note("return", None if paid is None else float(paid.sum()))
        self._note("success", None if reached is None else float(reached.max()))
        self._note("success_last", None if reached is None else float(reached[-1]))

    def values(self) -> Mapping[str, list[float]]:
        """Return the values of all episodes: `return`, `success` at any step, `success_last` at the last one."""
        unpaid = not any(self._values["return"] or ())  # formats that must have rewards hold zeros where there are none
        return {name: values for name, values in self._values.items() if values and not (name == "return" and unpaid)}

    def _note(self, name: str, value: float | None) -> None:
        values = self._values[name]
        if value is None or values is None:
            self._values[name] = None
        else:
            values.append(value)


def named(names: tuple[str, ...], known: Container[str]) -> str | None:
    """Return the first of several names that is known, or None."""
    return next((name for name in names if name in known), None)


def outcome(arrays: Any, rows: int, part: slice = slice(None)) -> dict[str, Any]:
    """Return `rewards` and `success` among an episode's arrays as `StoredEpisode` takes them; None what is not there.

    Args:
        arrays: a mapping of arrays, or an open HDF5 group.
        rows: number of actions in the file; arrays of another length mean something else.
        part: rows of the episode.
    """
    found = {"rewards": _array(arrays, REWARDS), "success": _array(arrays, SUCCESS)}
    return {key: array[part] if array is not None and len(array) == rows else None for key, array in found.items()}


def _array(arrays: Any, names: tuple[str, ...]) -> Any:
    name = named(names, arrays)
    array = None if name is None else arrays[name]
    return array if len(getattr(array, "shape", ())) else None


def _numbers(values: Any) -> np.ndarray | None:
    """Return the values `(T,)` as float64 if they are finite numbers, else None."""
    if values is None:
        return None
    array = np.atleast_1d(np.asarray(values))
    if array.size == 0 or array.size != len(array) or array.dtype.kind not in "biuf":
        return None
    flat = array.reshape(-1).astype(np.float64)
    return flat if np.isfinite(flat).all() else None
