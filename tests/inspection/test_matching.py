"""Observations of a dataset and an environment are matched by names and sizes; settings follow from numbers."""

from __future__ import annotations

import numpy as np
import pytest

from spirl_cli.errors import DatasetError
from spirl_cli.inspection.columns import Column
from spirl_cli.inspection.matching import Sizes, match_observations
from spirl_cli.inspection.settings_from import horizon, latent_dim, prior_iterations, ranges, skill_iterations

GOALS = {"achieved_goal": 2, "desired_goal": 2, "observation": 4}


@pytest.mark.parametrize(
    ("data", "env", "expected"),
    [
        ({None: 3}, {None: 3}, ((None,), (None,))),
        (GOALS, GOALS, (("observation", "desired_goal"), ("observation", "desired_goal"))),
        ({None: 4}, GOALS, (("observation",), (None,))),
        ({None: 6}, GOALS, (("observation", "desired_goal"), (None,))),
        ({"state": 5, "gripper": 1}, {None: 5}, ((None,), ("state",))),
        ({"state": 5, "gripper": 1}, {None: 6}, ((None,), ("state", "gripper"))),
        ({"observation.state": 5}, {"agent_pos": 5}, (("agent_pos",), ("observation.state",))),
        ({"a": 2, "b": 3}, {"b": 3, "c": 1}, (("b",), ("b",))),
    ],
)
def test_observations_are_matched(data: Sizes, env: Sizes, expected: tuple[tuple[str | None, ...], ...]) -> None:
    match = match_observations(data, env)
    assert (match.env, match.data) == expected
    assert sum(match.sizes) == sum(data[key] for key in match.data)


@pytest.mark.parametrize(
    ("data", "env"),
    [({None: 40}, {None: 3}), ({"a": 2}, {"a": 3}), ({None: 2}, GOALS), ({"a": 3, "b": 3}, {None: 3}), ({}, {None: 3})],
)
def test_what_does_not_match_is_shown_from_both_sides(data: Sizes, env: Sizes) -> None:
    with pytest.raises(DatasetError) as caught:
        match_observations(data, env)
    for key, size in (*data.items(), *env.items()):
        assert f"{key or 'a plain array'} ({size})" in caught.value.message


@pytest.mark.parametrize(("length", "steps"), [(1000, 10), (100, 10), (72, 7), (40, 5), (12, 5), (8, 4), (1, 1)])
def test_an_episode_holds_ten_skills_where_it_can(length: int, steps: int) -> None:
    assert horizon([length] * 3) == steps


def test_sizes_and_iterations_follow_from_the_data() -> None:
    assert [latent_dim(size) for size in (1, 4, 28)] == [2, 8, 10]
    assert [skill_iterations(windows) for windows in (100, 25_600, 10**6)] == [2_000, 10_000, 20_000]
    assert [prior_iterations(windows) for windows in (100, 6_400, 10**6)] == [300, 1_000, 5_000]


def test_ranges_leave_out_what_is_between() -> None:
    assert ranges([0, 1, 2, 5, 7, 8]) == ("0:3", "5:6", "7:9")
    assert ranges([]) == ()


def test_statistics_are_those_of_all_rows_at_once() -> None:
    rows = np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32)
    rows[7, 1], rows[8, 1], rows[:, 3] = np.nan, np.inf, 5
    column = Column("state", rows.dtype, (4,))
    for part in np.split(rows, (10, 11, 30)):
        column.add(part, keep=5)
    finite = np.where(np.isfinite(rows), rows, np.nan)
    assert np.allclose(column.std, np.nanstd(finite, axis=0), atol=1e-6)
    assert np.allclose(column.mean, np.nanmean(finite, axis=0))
    assert np.allclose(column.low, np.nanmin(finite, axis=0)) and np.allclose(column.high, np.nanmax(finite, axis=0))
    assert (column.nan, column.infinite, column.constants) == (1, 1, [3])
    assert len(column.sample) == 5 + 1 + 5 + 5


def test_a_sample_of_wide_rows_stays_small() -> None:
    column = Column("pixels", np.dtype(np.float32), (10_000,))
    column.add(np.ones((100, 10_000), np.float32), keep=200)
    assert column.sample.shape == (2, 10_000) and column.rows == 100
