"""Episodes of demonstrations, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from spirl_cli.errors import DatasetError

# An action may exceed its bounds by this share of their range, since recorded floats are rounded.
BOUND_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ActionBounds:
    """Finite bounds of the actions.

    Attributes:
        low, high: float32, shape (A,).
    """

    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Episode:
    """One episode of T steps.

    Attributes:
        number: position in the dataset, counted from 0; errors name it.
        observations: float32 (T+1, D), the selected parts of all states, the last one included.
        actions: float32 (T, A).
        scene: bool array from which images are drawn together with a state, such as the layout of a maze (True is
            wall); its shape is the same in all episodes of a dataset. None if images need none.
    """

    number: int
    observations: np.ndarray
    actions: np.ndarray
    scene: np.ndarray | None = None

    @property
    def steps(self) -> int:
        """Number of actions T."""
        return len(self.actions)


def check_episode(number: int, observations: np.ndarray, actions: np.ndarray, bounds: ActionBounds) -> Episode:
    """Return the episode as float32, its actions clipped to their bounds.

    Args:
        number: position in the dataset.
        observations: selected observations, (T+1, D).
        actions: recorded actions, (T, A).
        bounds: bounds that the actions may exceed by rounding only (`BOUND_TOLERANCE` of the range).

    Raises:
        DatasetError: wrong shapes or types, non-finite numbers or actions out of bounds;
            the message has the episode's number.
    """
    _check_shapes(number, observations, actions, len(bounds.low))
    _check_finite(number, "observation", observations)
    _check_finite(number, "action", actions)
    _check_bounds(number, actions, bounds)
    clipped = np.clip(actions.astype(np.float32), bounds.low, bounds.high)
    return Episode(number, np.ascontiguousarray(observations, dtype=np.float32), clipped)


def join_short(episodes: Iterable[Episode], shortest: int) -> Iterator[Episode]:
    """Join every episode of fewer than ``shortest`` steps to the start of the next one.

    The authors' loader does this by accident (docs/method.md#short-demonstrations-are-joined). The first state of the
    next episode replaces the last state of the short one. A short remainder at the end of the dataset is yielded
    unchanged.
    """
    carried: Episode | None = None
    for episode in episodes:
        joined = episode if carried is None else _glue(carried, episode)
        if joined.steps < shortest:
            carried = joined
        else:
            carried = None
            yield joined
    if carried is not None:
        yield carried


def _glue(first: Episode, second: Episode) -> Episode:
    observations = np.concatenate([first.observations[:-1], second.observations])
    return Episode(first.number, observations, np.concatenate([first.actions, second.actions]))


def _check_shapes(number: int, observations: np.ndarray, actions: np.ndarray, action_dim: int) -> None:
    if actions.ndim != 2 or actions.dtype.kind != "f" or actions.shape[1] != action_dim:
        raise DatasetError(
            f"episode {number}: actions have shape {actions.shape} and type {actions.dtype}; "
            f"expected floating-point numbers of shape (steps, {action_dim})"
        )
    if observations.ndim != 2 or len(observations) != len(actions) + 1:
        raise DatasetError(
            f"episode {number}: observations have shape {observations.shape}; expected "
            f"{len(actions) + 1} of them, one more than the {len(actions)} actions"
        )


def _check_finite(number: int, what: str, values: np.ndarray) -> None:
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise DatasetError(
            f"episode {number}: {int((~finite).sum())} of {len(values)} {what}s hold NaN or infinity, "
            f"the first at step {int(np.argmin(finite))}"
        )


def _check_bounds(number: int, actions: np.ndarray, bounds: ActionBounds) -> None:
    slack = BOUND_TOLERANCE * (bounds.high - bounds.low)
    outside = (actions < bounds.low - slack) | (actions > bounds.high + slack)  # (T, A)
    if outside.any():
        step, dimension = (int(i) for i in np.argwhere(outside)[0])
        raise DatasetError(
            f"episode {number}: action {actions[step, dimension]:.4g} at step {step}, dimension {dimension} lies "
            f"outside of [{bounds.low[dimension]:.4g}, {bounds.high[dimension]:.4g}]",
            "if the dataset's true bounds are wider, say so with --set 'extract.action_bounds=[LOW, HIGH]'",
        )
