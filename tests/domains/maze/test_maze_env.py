"""The maze as an environment: observations, reward, metrics, ends, and the checks of a recipe."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spirl_cli.domains.maze import image, picture
from spirl_cli.domains.maze.env import MazeEnv
from spirl_cli.domains.maze.layout import distances, generate_layout
from spirl_cli.domains.maze.section import MOST_CHARACTERS, MazeSection, read_layout
from spirl_cli.domains.maze.task import maze_task
from spirl_cli.envs.make import check_compatible, make_env
from spirl_cli.envs.replayable import ReplayableEnv
from spirl_cli.envs.vector import make_vector, split_step
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.settings import ObservationPart
from tests.support.environments import HoldDecoder, assert_keeps_gymnasiums_rules

CORRIDOR = "##########\n#........#\n##########"
STATE_ONLY = (ObservationPart(key="state"),)
RIGHT = np.array([1.0, 0.0], np.float32)


def maze(**changes: Any) -> MazeSection:
    """Section of a small maze."""
    values: dict[str, Any] = {"kind": "maze", "size": 10, "path_length": 9, "episode_length": 50, **changes}
    return MazeSection(**values)


def corridor(**changes: Any) -> MazeSection:
    """Section of a corridor of 8 cells, from its left to its right end."""
    return maze(layout=CORRIDOR, start=(1, 1), goal=(1, 8), **changes)


# --- the task of a recipe ----------------------------------------------------------------------


def test_the_published_task_has_its_layout_and_length() -> None:
    task = maze_task(MazeSection(kind="maze", start=(10, 24), goal=(18, 8)))
    np.testing.assert_array_equal(task.layout, generate_layout(0, 40))
    assert task.distances[task.start] == 34


def test_endpoints_follow_from_the_seed() -> None:
    task, again, other = (maze_task(maze(size=30, layout_seed=seed, path_length=20)) for seed in (1, 1, 2))
    assert (task.start, task.goal) == (again.start, again.goal) != (other.start, other.goal)
    assert distances(task.layout, task.goal)[task.start] == 20


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"start": (0, 1), "goal": (1, 8)}, r"env.start: row 0, column 1 is a wall"),
        ({"start": (1, 1), "goal": (1, 99)}, r"env.goal: row 1, column 99 is outside of the maze of 3 × 10"),
        ({"layout": "#####\n#.#.#\n#####", "start": (1, 1), "goal": (1, 3)}, "no path"),
        ({"layout": CORRIDOR, "start": None, "goal": None, "path_length": 8}, "shortest path of 8"),
        ({"layout": "##\n#.\n"}, "border is open"),
    ],
)
def test_unusable_tasks_are_explained(changes: dict[str, Any], problem: str) -> None:
    section = maze(**{"layout": CORRIDOR, "start": (1, 1), "goal": (1, 8), **changes})
    with pytest.raises(UsageError, match=problem):
        make_env(section)


# --- observations ------------------------------------------------------------------------------


def test_it_keeps_gymnasiums_rules() -> None:
    assert_keeps_gymnasiums_rules(MazeEnv(maze(), render_mode="rgb_array"))


def test_image_shows_the_last_frames_at_the_state() -> None:
    section = maze(frames=3)
    env, layout = MazeEnv(section), maze_task(section).layout
    observation, _ = env.reset(seed=4)
    drawn = [image.draw(layout, observation["state"][None, :2])[0]] * 3
    np.testing.assert_array_equal(observation["image"], image.stack(drawn))
    for action in ([1, 1], [-1, 0], [-1, -1], [0, 1]) * 5:
        observation = env.step(np.array(action, np.float32))[0]
        assert observation["state"].dtype == np.float32 and env.observation_space.contains(observation)
        drawn = [*drawn[1:], image.draw(layout, observation["state"][None, :2])[0]]
        np.testing.assert_array_equal(observation["image"], image.stack(drawn))


def test_a_new_episode_shows_nothing_of_the_last() -> None:
    env = MazeEnv(maze())
    first = env.reset(seed=1)[0]
    env.step(RIGHT)
    np.testing.assert_array_equal(env.reset(seed=1)[0]["image"], first["image"])


def test_vector_ends_with_the_pixels() -> None:
    section = maze()
    raw, _ = MazeEnv(section).reset(seed=3)
    vector, _ = make_env(section).reset(seed=3)
    assert vector.shape == (4 + 32 * 32 * 6,) and vector.dtype == np.float32
    np.testing.assert_array_equal(vector[:4], raw["state"])
    np.testing.assert_array_equal(vector[4:].reshape(32, 32, 6), raw["image"])


def test_an_image_that_is_not_selected_changes_nothing_else() -> None:
    seeing, blind = make_env(maze()), make_env(maze(observation=STATE_ONLY))
    assert blind.observation_space.shape == (4,)
    np.testing.assert_array_equal(seeing.reset(seed=2)[0][:4], blind.reset(seed=2)[0])
    for _ in range(10):
        np.testing.assert_array_equal(seeing.step(RIGHT)[0][:4], blind.step(RIGHT)[0])


def test_shape_of_the_selected_image() -> None:
    assert maze().image_shape == (32, 32, 6)
    assert maze(frames=1).image_shape == (32, 32, 3)
    assert maze(observation=STATE_ONLY).image_shape is None


@pytest.mark.parametrize(
    "parts",
    [
        [{"key": "image"}, {"key": "state"}],
        [{"key": "image"}, {"key": "image"}],
        [{"key": "state"}, {"key": "image", "indices": ["0:9"]}],
    ],
)
def test_image_must_be_whole_and_last(parts: list[dict[str, Any]]) -> None:
    with pytest.raises(UsageError, match="image"):
        make_env(maze(observation=parts))


# --- reward, metrics, ends ---------------------------------------------------------------------


def test_reward_is_paid_within_the_radius() -> None:
    env = MazeEnv(corridor(goal_radius=2.5, episode_length=400))
    env.reset(seed=0)
    rewards, metrics, near = [], [], []
    for step in range(400):
        observation, reward, terminated, _, info = env.step(RIGHT if step < 200 else -RIGHT)
        near.append(math.dist(observation["state"][:2], (8.5, 1.5)) <= 2.5)
        rewards.append(reward)
        metrics.append(info["metrics"])
        assert not terminated
    assert rewards == [float(value) for value in near]
    first = rewards.index(1.0)
    assert first > 50 and rewards[-1] == 0.0, "it came and left"
    assert [m["success"] for m in metrics] == [0.0] * first + [1.0] * (400 - first)
    assert metrics[first] == {"success": 1.0, "cells": 6.0, "distance": 2.0}
    assert metrics[-1] == {"success": 1.0, "cells": 8.0, "distance": 0.0}, "the closest approach, not the last"


def test_metrics_at_the_start() -> None:
    _, info = MazeEnv(corridor()).reset(seed=0)
    assert info["metrics"] == {"success": 0.0, "cells": 1.0, "distance": 7.0}


def test_metrics_of_an_ended_episode_outlive_the_reset() -> None:
    env = MazeEnv(corridor(episode_length=60, goal_radius=7.0))
    env.reset(seed=0)
    for _ in range(60):
        info = env.step(RIGHT)[4]
    env.reset(seed=0)
    assert info["metrics"]["success"] == 1.0 and info["metrics"]["cells"] > 1


def test_episodes_are_truncated_only() -> None:
    env = MazeEnv(corridor(episode_length=3, goal_radius=9.0))
    for _ in range(2):
        env.reset(seed=0)
        ends = [env.step(RIGHT)[2:4] for _ in range(3)]
        assert ends == [(False, False), (False, False), (False, True)]


def test_starts_near_the_centre_at_rest_and_by_the_seed() -> None:
    env = MazeEnv(maze())
    row, column = env.task.start
    states = np.array([env.reset(seed=seed)[0]["state"] for seed in range(50)])
    offsets = states[:, :2] - [column + 0.5, row + 0.5]
    assert 0.09 < np.abs(offsets).max() <= 0.1 + 1e-6
    assert not states[:, 2:].any()
    assert len(np.unique(states, axis=0)) == 50
    np.testing.assert_array_equal(env.reset(seed=7)[0]["state"], states[7])


# --- together with the rest --------------------------------------------------------------------


def test_episode_state_restores_exactly() -> None:
    original, copy = (ReplayableEnv(make_env(maze()), seed=5) for _ in range(2))
    original.reset()
    random = np.random.default_rng(0)
    for _ in range(30):
        original.step(random.uniform(-1, 1, 2))
    copy.episode_state = original.episode_state
    assert copy.restored_exactly
    for ours, theirs in zip(original.step(RIGHT)[:4], copy.step(RIGHT)[:4], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_skills_in_a_vector() -> None:
    vector = make_vector(maze(episode_length=25), HoldDecoder(2), 2, seed=0, processes=False)
    observation, _ = vector.reset()
    assert observation.shape == (2, 4 + 32 * 32 * 6)
    for expected in (10, 10, 5):
        step = split_step(*vector.step(np.full((2, 2), 0.5, np.float32)))
        assert step.steps.tolist() == [expected] * 2
    assert step.truncated.all() and step.metrics[0] is not None
    assert list(step.metrics[0]) == ["success", "cells", "distance"]
    vector.close()


def test_clips_are_compared_by_their_states() -> None:
    low, high = np.full(2, -1.0), np.ones(2)
    check_compatible(maze(), 4, 2, low, high)
    check_compatible(maze(observation=STATE_ONLY), 4, 2, low, high)
    with pytest.raises(ArtifactError, match="have 5 numbers, those of the environment 4"):
        check_compatible(maze(), 5, 2, low, high)


def test_picture_follows_the_agent() -> None:
    env = MazeEnv(corridor(), render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    assert first.shape == (48, 160, 3) and first.dtype == np.uint8
    assert (first[24, 24] == picture.AGENT).all()
    for _ in range(30):
        env.step(RIGHT)
    second = env.render()
    assert (second[24, 24] != picture.AGENT).any()
    assert ((second == picture.PATH).all(axis=-1).sum() > 0) and not (first == picture.PATH).all(axis=-1).any()


def test_a_file_that_is_far_too_long_is_no_layout(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("#" * (MOST_CHARACTERS + 1))
    with pytest.raises(UsageError, match="is no layout: it has more than 100,000 characters"):
        read_layout("long.txt", tmp_path)
