"""What demonstrations themselves have, where a dataset records it."""

from __future__ import annotations

import numpy as np
import pytest

from spirl_cli.demos.score import Score, outcome


def test_returns_and_success_of_every_episode() -> None:
    score = Score()
    score.add(np.array([0.0, 1.0, 0.5]), np.array([False, True, False]))
    score.add(np.array([[1.0], [1.0]]), 1.0)  # once for the episode
    assert score.values() == {"return": [1.5, 2.0], "success": [1.0, 1.0], "success_last": [0.0, 1.0]}
    score.reset()
    assert score.values() == {}


@pytest.mark.parametrize(
    ("rewards", "success"),
    [(None, None), (np.array([np.nan]), np.array([2])), (np.array(["a"]), np.zeros((2, 2))), (np.zeros(0),) * 2],
)
def test_what_one_episode_lacks_is_not_told(rewards: object, success: object) -> None:
    score = Score()
    score.add(np.ones(3), np.ones(3))
    score.add(rewards, success)
    assert score.values() == {}


def test_rewards_that_are_all_zero_stand_for_none() -> None:
    score = Score()
    score.add(np.zeros(3), None)
    assert score.values() == {}


def test_arrays_are_found_by_their_names_if_they_have_a_row_for_every_action() -> None:
    arrays = {"rewards": np.arange(4.0), "is_success": np.zeros(3)}
    found = outcome(arrays, 4, slice(1, 3))
    assert found["rewards"].tolist() == [1.0, 2.0] and found["success"] is None
    assert outcome({}, 4) == {"rewards": None, "success": None}
