"""Episodes and actions that are not right: refused, or mended and counted."""

from __future__ import annotations

import numpy as np
import pytest

from spirl_cli.demos.episode import (
    ActionBounds,
    EpisodeChecker,
    Treatment,
    action_bounds,
    check_episode,
    longest_sound_part,
)
from spirl_cli.errors import DatasetError

BOUNDS = ActionBounds(np.float32([-1, 0]), np.float32([1, 0.04]))
SKIP, TRIM, CLIP = Treatment(bad_episodes="skip"), Treatment(bad_episodes="trim"), Treatment(out_of_bounds="clip")


def good(steps: int = 6) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(steps + 1.0)[:, None], np.linspace([-1, 0], [1, 0.04], steps)


def test_sound_episodes_are_as_without_treatment() -> None:
    for treatment in (Treatment(), SKIP, TRIM, CLIP):
        checker = EpisodeChecker(BOUNDS, treatment)
        checked, expected = checker.check(3, *good()), check_episode(3, *good(), BOUNDS)
        assert checked is not None and checked.number == 3
        np.testing.assert_array_equal(checked.observations, expected.observations)
        np.testing.assert_array_equal(checked.actions, expected.actions)
        assert not checker.notes("mine") and not checker.counts()


def test_by_default_all_is_refused() -> None:
    observations, actions = good()
    observations[0] = np.nan
    with pytest.raises(DatasetError, match="episode 3: 1 of 7 observations hold NaN") as refusal:
        EpisodeChecker(BOUNDS).check(3, observations, actions)
    assert "extract.bad_episodes=skip" in refusal.value.hint and "trim" in refusal.value.hint
    with pytest.raises(DatasetError, match=r"episode 3: action 1.2 at step 0, dimension 0") as refusal:
        EpisodeChecker(BOUNDS, SKIP).check(3, good()[0], np.full((6, 2), [1.2, 0]))
    assert "extract.out_of_bounds=clip" in refusal.value.hint


def test_skipped_episodes_are_counted() -> None:
    checker = EpisodeChecker(BOUNDS, SKIP)
    observations, actions = good()
    assert checker.check(0, observations, actions) is not None
    assert checker.check(1, observations[:-1], actions) is None
    assert checker.check(2, np.full((7, 1), np.inf), actions) is None
    assert checker.counts() == {"bad_episodes_skipped": 2}
    (note,) = checker.notes("mine")
    assert note.startswith(
        "mine: left out 2 of 3 episodes that are not right: episode 1: observations have shape (6, 1)"
    )


def test_trimming_keeps_the_longest_sound_part() -> None:
    checker = EpisodeChecker(BOUNDS, TRIM)
    observations, actions = good(8)
    observations[2] = np.nan  # steps 1 and 2 touch it
    actions[6, 1] = np.inf
    kept = checker.check(0, observations, actions)
    assert kept is not None
    np.testing.assert_array_equal(kept.observations[:, 0], [3, 4, 5, 6])
    np.testing.assert_array_equal(kept.actions, good(8)[1][3:6].astype(np.float32))
    assert checker.counts() == {"bad_episodes_trimmed": 1, "bad_steps_trimmed": 5}
    assert "left out 5 steps of 1 of 1 episodes" in checker.notes("mine")[0]


def test_trimming_drops_an_action_without_a_next_state_and_skips_what_has_no_sound_part() -> None:
    checker = EpisodeChecker(BOUNDS, TRIM)
    observations, actions = good()
    kept = checker.check(0, observations[:-1], actions)
    assert kept is not None and kept.steps == 5
    assert checker.check(1, observations * np.nan, actions) is None
    assert checker.check(2, observations, actions[:, :1]) is None
    assert checker.check(3, observations, actions[:2]) is None
    assert checker.counts() == {"bad_episodes_skipped": 3, "bad_episodes_trimmed": 1, "bad_steps_trimmed": 1}


@pytest.mark.parametrize(
    ("bad_states", "expected"),
    [([], (0, 6)), ([0], (1, 6)), ([6], (0, 5)), ([3], (0, 2)), ([1, 3, 5], (0, 0)), (range(7), (0, 0))],
)
def test_longest_sound_part(bad_states: list[int], expected: tuple[int, int]) -> None:
    observations, actions = good()
    observations[list(bad_states)] = np.nan
    assert longest_sound_part(observations, actions) == expected


def test_clipped_actions_are_counted() -> None:
    checker = EpisodeChecker(BOUNDS, CLIP)
    observations, actions = good()
    actions[1], actions[4] = [1.37, 0.05], [-1.2, 0.01]
    checked = checker.check(0, observations, actions)
    assert checked is not None
    np.testing.assert_array_equal(checked.actions[[1, 4]], np.float32([[1, 0.04], [-1, 0.01]]))
    checker.check(1, *good())
    assert checker.counts() == {"steps_clipped": 2}
    assert checker.notes("mine") == [
        "mine: clipped the actions of 2 steps in 1 of 2 episodes to their bounds; the largest excess is 0.37, in "
        "dimension 0"
    ]


def test_bounds_are_given_for_all_dimensions_or_for_each() -> None:
    bounds = action_bounds([-1, 0], [1, 0.04], 2)
    np.testing.assert_array_equal([bounds.low, bounds.high], np.float32([[-1, 0], [1, 0.04]]))
    np.testing.assert_array_equal(action_bounds(-1, [1, 2], 2).low, [-1, -1])
    for low, high, message in (
        ([-1, 0], 1, "bounds for 2 dimensions of an action, but actions have 3"),
        (-1, [1, -1, 2], "-1 to -1 of dimension 1 are no range"),
        (-1, np.inf, "no range"),
    ):
        with pytest.raises(DatasetError, match=message):
            action_bounds(low, high, 3)
