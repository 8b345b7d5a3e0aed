"""Environments in worker processes: what the learner is told, and how workers end."""

from __future__ import annotations

import ast
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import spirl_cli
from spirl_cli.envs.vector import LocalVector, make_vector
from spirl_cli.envs.workers import WorkerVector, step_and_reset
from spirl_cli.errors import SpirlError
from tests.support.environments import PENDULUM, HoldDecoder


class Numbers(gym.Env[Any, Any]):
    """Counts its steps, and ends after two; `size` numbers are observed."""

    def __init__(self, size: int = 1) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.seed, self.steps, self.level = -1, 0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.steps, self.seed = 0, -1 if seed is None else seed
        return self._observation(), {"episode": 0, "options": options}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self._observation(), float(action[0]), self.steps == 2, False, {"episode": 1, "steps": self.steps}

    @property
    def broken(self) -> int:
        raise LookupError("no such thing")

    def _observation(self) -> np.ndarray:
        return np.full(self.observation_space.shape or (), self.steps, np.float32)


class Wide(Numbers):
    def __init__(self) -> None:
        super().__init__(size=2)


@pytest.fixture
def vector() -> Any:
    made = WorkerVector([Numbers, Numbers])
    yield made
    made.close()


def test_a_step_that_ends_an_episode_starts_the_next() -> None:
    env = Numbers()
    env.reset()
    step_and_reset(env, [0.5])
    observation, reward, terminated, truncated, info = step_and_reset(env, [0.5])
    assert (observation.tolist(), reward, terminated, truncated) == ([0.0], 0.5, True, False)
    assert info["final_obs"].tolist() == [2.0] and info["final_info"] == {"episode": 1, "steps": 2}
    assert info["episode"] == 0


def test_steps_are_those_of_gymnasiums_own_vector(vector: WorkerVector) -> None:
    own = gym.vector.SyncVectorEnv([Numbers, Numbers], autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    assert isinstance(vector, gym.vector.VectorEnv)
    assert vector.action_space == own.action_space and vector.observation_space == own.observation_space
    assert_same(vector.reset(seed=3), own.reset(seed=3))
    assert vector.get_attr("seed") == own.get_attr("seed") == (3, 4)
    for value in (0.25, 0.5, 0.75):
        actions = np.array([[value], [-value]], np.float32)
        assert_same(vector.step(actions), own.step(actions))


def assert_same(left: Any, right: Any) -> None:
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key, value in left.items():
            assert_same(value, right[key])
    elif isinstance(left, tuple):
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def test_attributes_are_set_one_by_one(vector: WorkerVector) -> None:
    vector.set_attr("level", [4, 7])
    assert vector.get_attr("level") == (4, 7)


def test_an_error_tells_its_worker_and_the_others_go_on(vector: WorkerVector) -> None:
    with pytest.raises(SpirlError, match="the environment failed: LookupError: no such thing") as caught:
        vector.get_attr("broken")
    assert "In environment worker 0" in caught.value.__notes__[0]
    assert vector.get_attr("level") == (0, 0)


def test_environments_with_other_spaces_are_refused() -> None:
    with pytest.raises(SpirlError, match="environment 1 has the spaces"):
        WorkerVector([Numbers, Wide])


def test_closing_does_not_wait_for_answers_that_nobody_reads() -> None:
    vector = WorkerVector([Numbers])
    vector.reset()
    vector.step_async(np.zeros((1, 1), np.float32))
    begun = time.monotonic()
    vector.close()
    assert time.monotonic() - begun < 4.0  # less than it takes until they are killed
    assert [process.exitcode for process in vector.processes] == [0]


@pytest.mark.parametrize("processes", [True, False])
def test_both_kinds_of_vectors_are_gymnasium_vectors(processes: bool) -> None:
    vector = make_vector(PENDULUM, HoldDecoder(1, 5), 1, 0, processes=processes)
    assert isinstance(vector, WorkerVector if processes else LocalVector)
    assert isinstance(vector, gym.vector.VectorEnv)
    vector.close()


def test_no_private_name_of_gymnasium_is_imported() -> None:
    for path in Path(spirl_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gymnasium"):
                private = [alias.name for alias in node.names if alias.name.startswith("_")]
                assert not private, f"{path} imports {private}"
