"""Settings of a recipe derived from what a dataset and an environment showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spirl_cli.demos.episode import BOUND_TOLERANCE
from spirl_cli.envs.make import BOUND_TOLERANCE as SAME_BOUNDS
from spirl_cli.errors import DatasetError
from spirl_cli.inspection.matching import Match, match_observations, show_sizes
from spirl_cli.inspection.probe import Probe
from spirl_cli.inspection.survey import Survey
from spirl_cli.inspection.verdict import GOAL_KEYS, usable

BATCH = 128
_SHORTEST, _LONGEST = 5, 10  # steps of a skill
_SKILLS_PER_EPISODE = 10
_SKILL_PASSES, _PRIOR_PASSES = 50, 20  # over all windows
SKILL_RANGE, PRIOR_RANGE = (2_000, 20_000), (300, 5_000)  # iterations
_TRAINING = 0.9  # share of the episodes that are trained on


@dataclass(frozen=True)
class Basis:
    """What settings are derived from.

    Attributes:
        survey: of the dataset.
        probe: of the environment.
        match: the observations that both share.
        moving: positions in the joined observation of the numbers that change, as ranges.
        still: how many do not.
    """

    survey: Survey
    probe: Probe
    match: Match
    moving: tuple[str, ...]
    still: int

    @property
    def actions(self) -> int:
        """Size A of an action."""
        return len(self.probe.low)


def basis(survey: Survey, probe: Probe) -> Basis:
    """Compare a dataset with an environment.

    Raises:
        DatasetError: the dataset cannot be read or has no steps, or the two do not fit each other.
    """
    if survey.failure is not None:
        raise survey.failure
    if survey.actions is None or not survey.actions.rows:
        raise DatasetError(f"{survey.name} has no steps", "name another dataset")
    data = {key: column.size for key, column in survey.columns.items() if usable(column)}
    match = without_still(match_observations(data, probe.sizes), survey, probe)
    if survey.actions.size != len(probe.low):
        raise DatasetError(
            f"actions of the dataset have {survey.actions.size} numbers, those of the environment {len(probe.low)} "
            f"(observations: {show_sizes(data)}; {show_sizes(probe.sizes)})",
            "the dataset must come from an environment with the same actions",
        )
    changes = np.concatenate([survey.columns[key].low != survey.columns[key].high for key in match.data])
    return Basis(survey, probe, match, ranges(np.flatnonzero(changes)), int((~changes).sum()))


def without_still(match: Match, survey: Survey, probe: Probe) -> Match:
    """Leave out the parts of which no number ever changes, neither in the dataset nor in the environment."""
    if len(match.env) != len(match.data):
        return match
    pairs = list(zip(match.env, match.data, match.sizes, strict=True))
    moving = [pair for pair in pairs if pair[0] in probe.changing or _changes(survey, pair[1])]
    if not moving:
        return match
    env, data, sizes = zip(*moving, strict=True)
    still = tuple(f"{pair[0]} (never changes)" for pair in pairs if pair not in moving)
    return Match(env, data, sizes, match.why, (*still, *match.left_out))


def _changes(survey: Survey, key: str | None) -> bool:
    column = survey.columns[key]
    return bool((column.low != column.high).any())


def ranges(places: Sequence[int] | np.ndarray) -> tuple[str, ...]:
    """Write ascending positions as ranges such as `0:3`."""
    runs = np.split(np.asarray(places, int), np.flatnonzero(np.diff(places) != 1) + 1)
    return tuple(f"{run[0]}:{run[-1] + 1}" for run in runs if len(run))


def horizon(lengths: Sequence[int]) -> int:
    """Return the steps of a skill: 5 to 10, such that an episode has ten skills; fewer where episodes are short."""
    median = int(np.median(lengths))
    chosen = min(max(median // _SKILLS_PER_EPISODE, _SHORTEST), _LONGEST)
    return max(min(chosen, median // 2), 1)


def latent_dim(actions: int) -> int:
    """Return the size of a skill: two numbers for each of an action, at most ten."""
    return min(2 * actions, 10)


def training_windows(survey: Survey, steps: int) -> int:
    """Estimate the number of training windows of all episodes from those that were read."""
    read = sum(max(length - steps + 1, 0) for length in survey.lengths)
    every = survey.contents.episodes if survey.contents is not None else len(survey.lengths)
    return max(round(_TRAINING * read * every / max(len(survey.lengths), 1)), 1)


def skill_iterations(windows: int) -> int:
    """Return iterations of skills for so many training windows."""
    return _iterations(windows * _SKILL_PASSES, SKILL_RANGE)


def prior_iterations(windows: int) -> int:
    """Return iterations of the prior, which is the first to overfit few demonstrations."""
    return _iterations(windows * _PRIOR_PASSES, PRIOR_RANGE)


def _iterations(samples: int, limits: tuple[int, int]) -> int:
    """Return so many batches as make up the samples, in hundreds within limits."""
    return min(max(round(samples / BATCH / 100) * 100, limits[0]), limits[1])


def episode_length(found: Basis) -> tuple[int, str]:
    """Return the limit of an episode, and where it comes from."""
    if found.probe.episode_length is not None:
        return found.probe.episode_length, "the environment's own limit"
    return max(found.survey.lengths), "the longest demonstration: the environment has no limit of its own"


def differing_bounds(found: Basis) -> str | None:
    """Say why the recipe has to give bounds of the actions, or return None where the dataset's are right."""
    bounds, probe = found.survey.bounds, found.probe
    if bounds is None:
        return "the environment's: the dataset does not say any"
    slack = SAME_BOUNDS * (probe.high - probe.low)
    if ((np.abs(bounds.low - probe.low) <= slack) & (np.abs(bounds.high - probe.high) <= slack)).all():
        return None
    return f"the environment's: the dataset says {_shown(bounds.low)} to {_shown(bounds.high)}, check which is right"


def beyond_bounds(found: Basis) -> bool:
    """Say whether actions of the dataset exceed the environment's bounds by more than rounding."""
    actions, probe = found.survey.actions, found.probe
    assert actions is not None, "`basis` has looked"
    slack = BOUND_TOLERANCE * (probe.high - probe.low)
    return bool((actions.low < probe.low - slack).any() or (actions.high > probe.high + slack).any())


def goal_hidden(found: Basis) -> str | None:
    """Return the range of the numbers before the goal, which the decoder may see; None without a goal."""
    keys = [None if key is None else key.partition("/")[0] for key in found.match.env]
    goal = GOAL_KEYS[1]
    if goal not in keys or len(found.match.sizes) != len(keys):
        return None
    before = sum(size for key, size in zip(keys, found.match.sizes, strict=True) if key != goal)
    first = keys.index(goal)
    return f"0:{sum(found.match.sizes[:first])}" if first and before else None


def _shown(values: np.ndarray) -> str:
    """Write bounds as one number where they are all the same."""
    return f"{values[0]:g}" if (values == values[0]).all() else str([round(float(value), 4) for value in values])
