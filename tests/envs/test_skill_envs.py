"""Replays, skills as actions, and vectors of workers."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.domains.kitchen.section import KitchenSection
from spirl_cli.envs.make import make_env
from spirl_cli.envs.replayable import ReplayableEnv, episode_seed
from spirl_cli.envs.skill_env import SkillEnv
from spirl_cli.envs.vector import (
    SkillVector,
    VectorStep,
    make_vector,
    read_episode_states,
    restore_episode_states,
    split_step,
)
from spirl_cli.errors import DivergedError, SpirlError
from spirl_cli.inference.decoders import SquashedDecoder
from tests.support.environments import PENDULUM, HoldDecoder, assert_keeps_gymnasiums_rules, scripted

TESTS = Path(__file__).resolve().parents[1]


class TorchlessDecoder(HoldDecoder):
    """Fails where torch was imported."""

    def act(self, observation: np.ndarray) -> np.ndarray:
        if "torch" in sys.modules:
            raise RuntimeError("torch was imported")
        return super().act(observation)


def transitions(vector: SkillVector, count: int, seed: int = 3) -> list[VectorStep]:
    """Step with random skills."""
    rng = np.random.default_rng(seed)
    steps = []
    for _ in range(count):
        vector.step_async(rng.normal(size=vector.action_space.shape).astype(np.float32))
        steps.append(split_step(*vector.step_wait()))
    return steps


def assert_equal_steps(left: list[VectorStep], right: list[VectorStep]) -> None:
    for a, b in zip(left, right, strict=True):
        assert a.metrics == b.metrics
        for name in VectorStep.__dataclass_fields__:
            if name != "metrics":
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


# --- replays -----------------------------------------------------------------------------------


def test_episodes_do_not_depend_on_the_number_of_environments() -> None:
    def starts(slots: int) -> dict[int, list[float]]:
        found = {}
        for slot in range(slots):
            env = ReplayableEnv(make_env(PENDULUM), seed=7, slot=slot, slots=slots)
            for _ in range(6 // slots):
                observation, info = env.reset()
                found[info["episode"]] = observation.tolist()
        return found

    assert starts(1) == starts(2) == starts(3)
    assert sorted(starts(2)) == list(range(6))
    assert len({tuple(start) for start in starts(1).values()}) == 6
    assert episode_seed(7, 0) != episode_seed(8, 0)


@pytest.mark.parametrize("section", [PENDULUM, KitchenSection(noise=0.1)], ids=["pendulum", "kitchen"])
def test_episode_state_restores_exactly(section: GymnasiumSection | KitchenSection) -> None:
    rng = np.random.default_rng(0)

    def actions(env: gym.Env[Any, Any], count: int) -> np.ndarray:
        return rng.uniform(-1, 1, (count, *(env.action_space.shape or ()))).astype(np.float32)

    env, other = (ReplayableEnv(make_env(section), seed=1) for _ in range(2))
    env.reset()
    env.reset()
    for action in actions(env, 15):
        env.step(action)
    other.episode_state = env.episode_state
    assert other.restored_exactly
    for action in actions(env, 8):
        expected, found = env.step(action), other.step(action)
        np.testing.assert_array_equal(expected[0], found[0])
        assert expected[1:] == found[1:]
    np.testing.assert_array_equal(env.reset()[0], other.reset()[0])


def test_episode_state_before_the_first_reset() -> None:
    env, other = (ReplayableEnv(make_env(PENDULUM), seed=1, slot=2, slots=5) for _ in range(2))
    other.episode_state = env.episode_state
    assert other.reset()[1]["episode"] == 2


def test_an_environment_that_is_not_deterministic_is_noticed() -> None:
    class Restless(gym.ObservationWrapper[Any, Any, Any]):
        def observation(self, observation: Any) -> Any:
            return observation + np.random.default_rng().normal()

    env = ReplayableEnv(Restless(make_env(PENDULUM)), seed=1)
    env.reset()
    env.episode_state = env.episode_state
    assert not env.restored_exactly


# --- skills as actions -------------------------------------------------------------------------


def skill_env(section: GymnasiumSection, horizon: int = 4, **options: Any) -> SkillEnv:
    """Skill environment over a scripted one."""
    return SkillEnv(make_env(section), HoldDecoder(2, horizon), **options)


def test_skill_sums_rewards_and_stops_at_the_end() -> None:
    env = skill_env(scripted())
    env.reset(seed=0)
    results = [env.step(np.zeros(2, np.float32)) for _ in range(3)]
    assert [result[1] for result in results] == [1 + 2 + 3 + 4, 5 + 6 + 7 + 8, 9 + 10]
    assert [result[3] for result in results] == [False, False, True]
    assert [result[4]["steps"] for result in results] == [4, 4, 2]
    assert [result[4]["last_reward"] for result in results] == [4.0, 8.0, 10.0]
    assert [result[4]["late_observation"][0] for result in results] == [1.0, 5.0, 9.0]


def test_skill_stops_at_termination() -> None:
    env = skill_env(scripted(kwargs={"ends_at": 3}))
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(np.zeros(2, np.float32))
    assert (reward, terminated, truncated, info["steps"]) == (6.0, True, False, 3)


class Recording(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps the last action that came through."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self.last = np.asarray(action)
        return self.env.step(action)


@pytest.mark.parametrize(("squashed", "expected"), [(False, [1.0, -0.5]), (True, [0.964, -0.462])])
def test_actions_are_clipped_not_squashed(squashed: bool, expected: list[float]) -> None:
    recording = Recording(make_env(scripted()))
    decoder = HoldDecoder(2, 1)
    env = SkillEnv(recording, SquashedDecoder(decoder) if squashed else decoder)
    env.reset(seed=0)
    env.step(np.array([2.0, -0.5], np.float32))
    np.testing.assert_allclose(recording.last, expected, atol=1e-3)


def test_a_skill_that_is_not_finite_is_refused() -> None:
    env = skill_env(scripted())
    env.reset(seed=0)
    with pytest.raises(DivergedError, match="non-finite"):
        env.step(np.array([0.0, np.nan], np.float32))


@pytest.mark.parametrize("latent_bound", [float("inf"), 3.0])
def test_a_skill_env_keeps_gymnasiums_rules(latent_bound: float) -> None:
    env = SkillEnv(make_env(PENDULUM), HoldDecoder(1, 5), latent_bound=latent_bound)
    assert_keeps_gymnasiums_rules(env, skip_render_check=True)


# --- vectors -----------------------------------------------------------------------------------


def test_local_vector_keeps_the_true_successor() -> None:
    vector = make_vector(
        scripted(kwargs={"success_at": 6}, success_key="is_success"), HoldDecoder(2, 4), 2, 0, processes=False
    )
    vector.reset()
    first, second, third = transitions(vector, 3)
    np.testing.assert_array_equal(first.next_observation, first.observation)
    assert first.metrics == (None, None) and not first.ended.any()
    assert second.steps.tolist() == [4, 4]
    assert third.truncated.all() and not third.terminated.any()
    assert third.next_observation[:, 0].tolist() == [10.0, 10.0]
    assert third.observation[:, 0].tolist() == [0.0, 0.0]
    assert third.steps.tolist() == [2, 2] and third.reward.tolist() == [19.0, 19.0]
    assert third.late_observation[:, 0].tolist() == [9.0, 9.0]
    assert third.episode.tolist() == [0, 1] and third.next_episode.tolist() == [2, 3]
    assert third.metrics == ({"success": 1.0}, {"success": 1.0})
    vector.close()


def test_only_some_environments_of_a_vector_end() -> None:
    infos = {
        "steps": np.array([0, 10]), "last_reward": np.zeros(2), "late_observation": np.array([[0.0], [5.0]]),
        "episode": np.array([2, 1]), "final_obs": np.array([np.array([7.0]), None], dtype=object),
        "final_info": {
            "steps": np.array([3, 0]), "last_reward": np.array([1.0, 0.0]), "episode": np.array([0, 0]),
            "late_observation": np.array([[4.0], [0.0]]),
            "metrics": {"success": np.array([1.0, 0.0]), "_success": np.array([True, False])},
        },
    }  # fmt: skip
    step = split_step(np.array([[0.0], [6.0]]), np.ones(2), np.array([True, False]), np.zeros(2, bool), infos)
    assert step.steps.tolist() == [3, 10] and step.last_reward.tolist() == [1.0, 0.0]
    assert step.next_observation.tolist() == [[7.0], [6.0]] and step.late_observation.tolist() == [[4.0], [5.0]]
    assert step.episode.tolist() == [0, 1] and step.next_episode.tolist() == [2, 1]
    assert step.metrics == ({"success": 1.0}, None)


def test_workers_and_this_process_agree_and_workers_have_no_torch() -> None:
    vectors = [
        make_vector(PENDULUM, TorchlessDecoder(1, 5) if processes else HoldDecoder(1, 5), 2, 11, processes=processes)
        for processes in (True, False)
    ]
    starts = [vector.reset()[0] for vector in vectors]
    np.testing.assert_array_equal(*starts)
    runs = [transitions(vector, 12) for vector in vectors]
    assert_equal_steps(*runs)
    assert runs[0][-1].next_episode.max() == 5, "several episodes have passed"

    episode_states = read_episode_states(vectors[0])
    expected = transitions(vectors[0], 4, seed=9)
    transitions(vectors[1], 2, seed=8)  # somewhere else
    restored = restore_episode_states(vectors[1], episode_states)
    assert restored.exact
    np.testing.assert_array_equal(restored.observation, runs[0][-1].observation)
    assert_equal_steps(transitions(vectors[1], 4, seed=9), expected)
    for vector in vectors:
        vector.close()


def test_a_worker_that_dies_is_named() -> None:
    vector = make_vector(PENDULUM, HoldDecoder(1, 5), 2, 0)
    vector.reset()
    vector.processes[1].kill()  # type: ignore[union-attr]
    with pytest.raises(SpirlError, match=r"worker 1 died .killed by SIGKILL"):
        transitions(vector, 2)
    vector.close()


def test_an_environment_that_raises_in_a_worker_is_named() -> None:
    section = scripted(kwargs={"fails_at": 3})
    vector = make_vector(section, HoldDecoder(2, 4), 1, 0)
    vector.reset()
    with pytest.raises(SpirlError, match="the environment failed: KeyError: 'gripper'"):
        transitions(vector, 1)
    vector.close()


LEARNER = """
    import os, signal, sys
    import numpy as np
    from tests.support.environments import PENDULUM, HoldDecoder
    from spirl_cli.envs.vector import make_vector

    if __name__ == "__main__":
        vector = make_vector(PENDULUM, HoldDecoder(1, 5), 1, 0)
        vector.reset()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(vector.processes[0].pid, number)
        infos = vector.step(np.zeros((1, 1), np.float32))[-1]
        print(infos["steps"][0], flush=True)
        {end}
"""


@pytest.mark.parametrize("end", ["sys.exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"], ids=["exit", "killed"])
def test_workers_ignore_signals_and_end_with_the_learner(end: str, tmp_path: Path) -> None:
    script = tmp_path / "learner.py"
    script.write_text(textwrap.dedent(LEARNER).replace("{end}", end))
    result = subprocess.run(
        [sys.executable, str(script)],
        env={"PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    # the worker holds both streams open, so that `run` returns only once it is gone too
    assert result.stdout.split()[0] == "5"
    assert "Traceback" not in result.stderr
