"""Episodes of demonstrations, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from spirl_cli.demos.episode_images import EpisodeImages
from spirl_cli.errors import DatasetError

# An action may exceed its bounds by this share of their range, since recorded floats are rounded.
BOUND_TOLERANCE = 1e-3
_BAD_EPISODE_HINT = (
    "leave such episodes out with --set extract.bad_episodes=skip, or keep their longest sound part with "
    "--set extract.bad_episodes=trim"
)
_BOUNDS_HINT = "if the dataset's true bounds are wider, say so with --set 'extract.action_bounds=[LOW, HIGH]'"
_OUT_OF_BOUNDS_HINT = (
    "where the environment clips such actions, do the same with --set extract.out_of_bounds=clip; only if its own "
    "bounds are wider, say so with --set 'extract.action_bounds=[LOW, HIGH]'"
)

Bound = float | Sequence[float] | np.ndarray  # for all dimensions of an action, or one for each


@dataclass(frozen=True)
class ActionBounds:
    """Finite bounds of the actions.

    Attributes:
        low, high: float32, shape `(A,)`.
    """

    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Episode:
    """One episode of T steps.

    Attributes:
        number: position in the dataset, counted from 0; errors name it.
        observations: float32 `(T+1, D)`, the selected parts of all states, the last one included.
        actions: float32 `(T, A)`.
        scene: bool array from which images are drawn together with a state, such as the layout of a maze (True is
            wall); its shape is the same in all episodes of a dataset. None if images need none.
        images: uint8 `(T+1, rows, columns, channels)`, the images of all states, perhaps still to be read, which is
            possible until the next episode of the dataset is asked for; None without images.
    """

    number: int
    observations: np.ndarray
    actions: np.ndarray
    scene: np.ndarray | None = None
    images: np.ndarray | EpisodeImages | None = None

    @property
    def steps(self) -> int:
        """Number of actions T."""
        return len(self.actions)


def action_bounds(low: Bound, high: Bound, size: int) -> ActionBounds:
    """Return bounds that were given as one number for all dimensions or one for each.

    Args:
        low, high: a number, or A numbers.
        size: A.

    Raises:
        DatasetError: they are not as many as the dimensions, not finite, or low is not below high.
    """
    for values in (low, high):
        if not isinstance(values, int | float) and len(values) != size:
            raise DatasetError(
                f"there are bounds for {len(values)} dimensions of an action, but actions have {size}",
                "give one number for all dimensions, or one for each: [[LOW, …], [HIGH, …]]",
            )
    lows, highs = (np.broadcast_to(np.asarray(values, np.float32), (size,)) for values in (low, high))
    bad = np.flatnonzero(~(np.isfinite(lows) & np.isfinite(highs) & (lows < highs)))
    if len(bad):
        raise DatasetError(
            f"the action bounds {lows[bad[0]]:.4g} to {highs[bad[0]]:.4g} of dimension {bad[0]} are no range"
        )
    return ActionBounds(lows, highs)


def check_episode(number: int, observations: np.ndarray, actions: np.ndarray, bounds: ActionBounds) -> Episode:
    """Return the episode as float32, its actions clipped to their bounds.

    Args:
        number: position in the dataset.
        observations: selected observations, `(T+1, D)`.
        actions: recorded actions, `(T, A)`.
        bounds: bounds that the actions may exceed by rounding only (`BOUND_TOLERANCE` of the range).

    Raises:
        DatasetError: wrong shapes or types, non-finite numbers or actions out of bounds;
            the message has the episode's number.
    """
    _check_content(number, observations, actions, len(bounds.low))
    _check_bounds(number, actions, bounds)
    return _as_float32(number, observations, actions, bounds)


@dataclass(frozen=True)
class Treatment:
    """What to do with episodes and actions that are not right.

    Attributes:
        bad_episodes: an episode of wrong shapes or with numbers that are not finite ends the extraction
            (`refuse`), is left out (`skip`), or its longest part without fault is kept (`trim`;
            an episode without such a part is left out).
        out_of_bounds: an action that exceeds its bounds by more than rounding ends the extraction
            (`refuse`) or is set to the bound (`clip`), as environments do.
    """

    bad_episodes: Literal["refuse", "skip", "trim"] = "refuse"
    out_of_bounds: Literal["refuse", "clip"] = "refuse"


class EpisodeChecker:
    """Checks the episodes of a dataset, mends what it may, and counts what it mended.

    Args:
        bounds: bounds of the actions.
        treatment: what to do with what is not right.

    Attributes:
        episodes: checked so far.
        skipped: episodes left out.
        trimmed: episodes of which a part was left out.
        trimmed_steps: steps left out of these.
        clipped_steps: steps with an action that was clipped.
        clipped_episodes: episodes with such a step.
    """

    def __init__(self, bounds: ActionBounds, treatment: Treatment = Treatment()) -> None:
        self._bounds, self._treatment = bounds, treatment
        self.reset()

    def reset(self) -> None:
        """Count from 0 again."""
        self.episodes = self.skipped = self.trimmed = self.trimmed_steps = 0
        self.clipped_steps = self.clipped_episodes = 0
        self._first_bad = ""  # what was wrong with the first one
        self._excess = np.zeros(len(self._bounds.low))  # largest excess of every dimension

    def check(
        self,
        number: int,
        observations: np.ndarray,
        actions: np.ndarray,
        images: np.ndarray | EpisodeImages | None = None,
    ) -> Episode | None:
        """Return an episode as `check_episode` does, mended if need be, or None if it is left out.

        Args:
            number, observations, actions: as for `check_episode`.
            images: of cameras, `(T+1, ...)`; they keep the steps that are kept.

        Raises:
            DatasetError: the episode is refused.
        """
        self.episodes += 1
        try:
            _check_content(number, observations, actions, len(self._bounds.low))
            _check_images(number, observations, images)
        except DatasetError as error:
            if self._treatment.bad_episodes == "refuse":
                raise DatasetError(error.message, error.hint or _BAD_EPISODE_HINT) from error
            self._first_bad = self._first_bad or error.message
            part = self._trim(observations, actions, images)
            if part is None:
                self.skipped += 1
                return None
            states, steps = part
            observations, actions = observations[states], actions[steps]
            images = None if images is None else images[states]
        self._check_bounds(number, actions)
        return replace(_as_float32(number, observations, actions, self._bounds), images=images)

    def notes(self, dataset: str) -> list[str]:
        """Return sentences on what was mended in the dataset of this name, none if nothing was."""
        notes = []
        if self.skipped:
            notes.append(f"left out {self.skipped} of {self.episodes} episodes that are not right: {self._first_bad}")
        if self.trimmed:
            notes.append(
                f"left out {self.trimmed_steps} steps of {self.trimmed} of {self.episodes} episodes that are not "
                f"right: {self._first_bad}"
            )
        if self.clipped_steps:
            worst = int(np.argmax(self._excess))
            notes.append(
                f"clipped the actions of {self.clipped_steps} steps in {self.clipped_episodes} of {self.episodes} "
                f"episodes to their bounds; the largest excess is {self._excess[worst]:.4g}, in dimension {worst}"
            )
        return [f"{dataset}: {note}" for note in notes]

    def counts(self) -> dict[str, int]:
        """Return the numbers of what was mended, for the metrics; none if nothing was."""
        found = {
            "bad_episodes_skipped": self.skipped,
            "bad_episodes_trimmed": self.trimmed,
            "bad_steps_trimmed": self.trimmed_steps,
            "steps_clipped": self.clipped_steps,
        }
        return {name: count for name, count in found.items() if count}

    def _trim(
        self, observations: np.ndarray, actions: np.ndarray, images: np.ndarray | EpisodeImages | None
    ) -> tuple[slice, slice] | None:
        """Return the states and the actions that are kept of an episode, or None if none are."""
        if self._treatment.bad_episodes != "trim" or not _fits(observations, actions, len(self._bounds.low)):
            return None
        if images is not None and len(images) != len(observations):
            return None
        first, stop = longest_sound_part(observations, actions)
        if stop == first:
            return None
        self.trimmed += 1
        self.trimmed_steps += len(actions) - (stop - first)
        return slice(first, stop + 1), slice(first, stop)

    def _check_bounds(self, number: int, actions: np.ndarray) -> None:
        if self._treatment.out_of_bounds == "refuse":
            return _check_bounds(number, actions, self._bounds, _OUT_OF_BOUNDS_HINT)
        outside = _outside(actions, self._bounds)  # (T, A)
        if outside.any():
            self.clipped_steps += int(outside.any(axis=1).sum())
            self.clipped_episodes += 1
            excess = np.maximum(self._bounds.low - actions, actions - self._bounds.high).max(axis=0)
            self._excess = np.maximum(self._excess, excess)
        return None


def longest_sound_part(observations: np.ndarray, actions: np.ndarray) -> tuple[int, int]:
    """Return the first step and the step after the last of the longest part without NaN or infinity.

    Args:
        observations: `(T+1, D)`, or `(T, D)` where the last state is missing.
        actions: `(T, A)`.

    Returns:
        (first, stop): actions first to stop - 1 and states first to stop are finite; of parts of the
        same length the first one. Both are 0 if there is none.
    """
    states = np.isfinite(observations).all(axis=1)
    steps = min(len(actions), len(observations) - 1)
    sound = states[:steps] & states[1 : steps + 1] & np.isfinite(actions[:steps]).all(axis=1)  # (T,)
    edges = np.flatnonzero(np.diff(sound, prepend=False, append=False))
    firsts, stops = edges[::2], edges[1::2]
    if not len(firsts):
        return 0, 0
    longest = int(np.argmax(stops - firsts))
    return int(firsts[longest]), int(stops[longest])


def join_short(episodes: Iterable[Episode], shortest: int) -> Iterator[Episode]:
    """Join every episode of fewer than `shortest` steps to the start of the next one.

    The authors' loader does this by accident (docs/method.md#short-demonstrations-are-joined). The first state of the
    next episode replaces the last state of the short one. A short remainder at the end of the dataset is yielded
    unchanged.
    """
    carried: Episode | None = None
    for episode in episodes:
        joined = episode if carried is None else _glue(carried, episode)
        if joined.steps < shortest:
            # a stored episode is valid until the next one is asked for
            carried = replace(joined, images=None if joined.images is None else np.asarray(joined.images))
        else:
            carried = None
            yield joined
    if carried is not None:
        yield carried


def _glue(first: Episode, second: Episode) -> Episode:
    observations = np.concatenate([first.observations[:-1], second.observations])
    images = None
    if first.images is not None and second.images is not None:
        images = np.concatenate([np.asarray(first.images[:-1]), np.asarray(second.images)])
    return Episode(first.number, observations, np.concatenate([first.actions, second.actions]), images=images)


def _check_content(number: int, observations: np.ndarray, actions: np.ndarray, action_dim: int) -> None:
    _check_shapes(number, observations, actions, action_dim)
    _check_finite(number, "observation", observations)
    _check_finite(number, "action", actions)


def _check_images(number: int, observations: np.ndarray, images: np.ndarray | EpisodeImages | None) -> None:
    if images is not None and len(images) != len(observations):
        raise DatasetError(f"episode {number}: there are {len(images)} images of {len(observations)} observations")


def _as_float32(number: int, observations: np.ndarray, actions: np.ndarray, bounds: ActionBounds) -> Episode:
    clipped = np.clip(actions.astype(np.float32), bounds.low, bounds.high)
    return Episode(number, np.ascontiguousarray(observations, dtype=np.float32), clipped)


def _fits(observations: np.ndarray, actions: np.ndarray, action_dim: int) -> bool:
    """Say whether a part of an episode could be sound: its arrays are right but for the number of states."""
    right = actions.ndim == observations.ndim == 2 and actions.dtype.kind == "f" and actions.shape[1] == action_dim
    return right and len(observations) in (len(actions), len(actions) + 1)


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


def _check_bounds(number: int, actions: np.ndarray, bounds: ActionBounds, hint: str = _BOUNDS_HINT) -> None:
    outside = _outside(actions, bounds)
    if outside.any():
        step, dimension = (int(i) for i in np.argwhere(outside)[0])
        raise DatasetError(
            f"episode {number}: action {actions[step, dimension]:.4g} at step {step}, dimension {dimension} lies "
            f"outside of [{bounds.low[dimension]:.4g}, {bounds.high[dimension]:.4g}]",
            hint,
        )


def _outside(actions: np.ndarray, bounds: ActionBounds) -> np.ndarray:
    """Return which numbers of the actions exceed their bounds by more than rounding, bool `(T, A)`."""
    slack = BOUND_TOLERANCE * (bounds.high - bounds.low)
    return (actions < bounds.low - slack) | (actions > bounds.high + slack)
