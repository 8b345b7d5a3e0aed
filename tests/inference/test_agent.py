"""The agent for use from Python."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from spirl_cli import load_agent
from spirl_cli.envs.make import make_env
from spirl_cli.envs.skill_env import SkillEnv
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.inference.agent import Agent
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.inference.densities import load_density
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from tests.support.agent_data import HORIZON, make_agent, pendulum_recipe
from tests.support.commands import run_python


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts")


@pytest.fixture
def artifact(store: Store) -> Artifact:
    return make_agent(store, pendulum_recipe())


def states(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


def test_the_agent_holds_its_skill_for_a_horizon(artifact: Artifact) -> None:
    agent = load_agent(artifact.path)
    decoder, head = (
        load_decoder(artifact.file("decoder.safetensors")),
        load_density(artifact.file("policy.safetensors")),
    )
    for step, state in enumerate(states(2 * HORIZON + 1)):
        if step % HORIZON == 0:
            decoder.begin(head.latent(state, 0.0))
        np.testing.assert_array_equal(agent.act(state), np.clip(decoder.act(state), -2, 2))


def test_reset_starts_a_new_skill(artifact: Artifact) -> None:
    agent = load_agent(artifact.path)
    first, second = states(2)
    agent.act(first)
    held = agent.act(second)
    agent.reset()
    assert not np.array_equal(agent.act(second), held)


@pytest.mark.parametrize("policy", ["mean", "sampled"])
def test_it_acts_as_the_evaluation_does(artifact: Artifact, policy: str) -> None:
    """The mean policy in the bare environment = the mean policy in a SkillEnv, step by step."""
    recipe = pendulum_recipe()
    agent = load_agent(artifact.path, policy=policy)  # type: ignore[arg-type]
    bare, skills = (
        make_env(recipe.env),
        SkillEnv(make_env(recipe.env), load_decoder(artifact.file("decoder.safetensors"))),
    )
    observation, total, done = bare.reset(seed=3)[0], 0.0, False
    latents = []
    while not done:
        action = agent.act(observation)
        latents.append(agent._decoders[0]._latent)
        assert bare.action_space.contains(action)
        observation, reward, terminated, truncated, _ = bare.step(action)
        total, done = total + reward, terminated or truncated
    skills.reset(seed=3)
    assert sum(skills.step(latent)[1] for latent in latents[::HORIZON]) == pytest.approx(total)


def test_a_batch_acts_like_single_agents(artifact: Artifact) -> None:
    agent, single = load_agent(artifact.path), load_agent(artifact.path)
    batches = [states(3, seed=step) for step in range(HORIZON + 2)]
    agent.reset(batch=3)
    together = np.stack([agent.act(batch) for batch in batches])  # (T, 3, A)
    for row in range(3):
        single.reset()
        alone = np.stack([single.act(batch[row]) for batch in batches])
        np.testing.assert_array_equal(together[:, row], alone)


def test_restart_begins_an_episode_in_some_rows_only(artifact: Artifact) -> None:
    agent, fresh = load_agent(artifact.path), load_agent(artifact.path)
    agent.reset(batch=2)
    first, second = states(2), states(2, seed=1)
    kept = [agent.act(first), agent.act(second)][1]
    agent.reset(batch=2)
    agent.act(first)
    agent.restart(np.array([False, True]))
    actions = agent.act(second)
    np.testing.assert_array_equal(actions[0], kept[0])
    np.testing.assert_array_equal(actions[1], fresh.act(second[1]))


def test_the_sampled_policy_repeats_with_its_seed(artifact: Artifact) -> None:
    def run(seed: int) -> np.ndarray:
        agent = load_agent(artifact.path, policy="sampled", seed=seed)
        return np.stack([agent.act(state) for state in states(9)])

    np.testing.assert_array_equal(run(0), run(0))
    assert not np.array_equal(run(0), run(1))


def test_raw_dictionary_observations_are_selected(store: Store) -> None:
    parts = [{"key": "robot/joints", "indices": ["0:2"]}, {"key": "speed"}]
    artifact = make_agent(store, pendulum_recipe(env={"observation": parts}))
    agent = load_agent(artifact.path)
    state = states(1)[0]
    raw = {"robot": {"joints": np.append(state[:2], 9.0)}, "speed": state[2:], "camera": np.zeros((4, 4))}
    action = agent.act(raw)
    agent.reset()
    np.testing.assert_array_equal(agent.act(state), action)
    agent.reset(batch=2)
    both = {"robot": {"joints": np.stack([raw["robot"]["joints"]] * 2)}, "speed": np.stack([state[2:]] * 2)}
    np.testing.assert_array_equal(agent.act(both), np.stack([action, action]))


def test_wrong_shapes_and_keys_say_what_is_expected(artifact: Artifact, store: Store) -> None:
    agent = load_agent(artifact.path)
    with pytest.raises(UsageError, match=r"shape \(3,\), not \(4,\)"):
        agent.act(np.zeros(4))
    with pytest.raises(UsageError, match=r"shape \(3,\), not"):
        agent.act(np.zeros((2, 3)))
    agent.reset(batch=2)
    with pytest.raises(UsageError, match=r"shape \(2, 3\), not \(3, 3\)"):
        agent.act(np.zeros((3, 3)))
    with pytest.raises(UsageError):
        agent.reset(batch=0)
    with pytest.raises(UsageError, match="policy 'best'"):
        load_agent(artifact.path, policy="best")  # type: ignore[arg-type]


def test_references_snapshots_and_corruption(store: Store, artifact: Artifact) -> None:
    state = states(1)[0]
    final = load_agent("pendulum/agent", store=store).act(state)
    np.testing.assert_array_equal(load_agent("pendulum/agent@v1", store=store, snapshot=1000).act(state), final)
    assert not np.array_equal(load_agent("pendulum/agent", store=store, snapshot=500).act(state), final)
    with pytest.raises(ArtifactError, match="no snapshot at step 7") as refused:
        load_agent("pendulum/agent", store=store, snapshot=7)
    assert "500, 1000" in refused.value.hint
    with pytest.raises(ArtifactError):
        load_agent("pendulum/skills", store=store)
    (artifact.path / "policy.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match=r"policy\.safetensors"):
        load_agent(artifact.path)


def test_tanh_parity_is_part_of_the_agent(store: Store) -> None:
    plain = make_agent(store, pendulum_recipe())
    recipe = pendulum_recipe(train_rl={"parity": {"tanh_actions": True}})
    squashed = make_agent(store, recipe, fingerprint="c" * 12)
    decoder = load_decoder(plain.file("decoder.safetensors"))
    agent = load_agent(squashed.path)
    state = states(1)[0]
    decoder.begin(agent.policy.latent(state, np.random.default_rng()))
    np.testing.assert_allclose(agent.act(state), np.tanh(decoder.act(state)))


def test_acting_needs_neither_torch_nor_a_simulator(artifact: Artifact) -> None:
    code = (
        "import sys, numpy as np; from spirl_cli import load_agent\n"
        f"load_agent({str(artifact.path)!r}).act(np.zeros(3))\n"
        "print([name for name in ('torch', 'mujoco', 'gymnasium', 'minari') if name in sys.modules])"
    )
    assert run_python(code).stdout == "[]\n"


def test_a_vector_of_environments_is_served_like_each_environment_alone(artifact: Artifact) -> None:
    """Episodes of 6 steps end within a skill, and the next episode begins with a new one."""
    assert 6 % HORIZON != 0
    made = {"id": "Pendulum-v1", "max_episode_steps": 6}
    same_step = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}
    vector = gym.make_vec(**made, num_envs=3, vectorization_mode="sync", vector_kwargs=same_step)
    agent = load_agent(artifact.path)
    agent.reset(batch=3)
    observations, together = vector.reset(seed=0)[0], []
    for _ in range(14):
        together.append(agent.act(observations))
        observations, _, terminated, truncated, _ = vector.step(together[-1])
        agent.restart(terminated | truncated)
    vector.close()
    alone = [actions_in(gym.make(**made), load_agent(artifact.path), seed=row, steps=14) for row in range(3)]
    np.testing.assert_array_equal(np.stack(together), np.stack(alone, axis=1))


def actions_in(env: gym.Env[np.ndarray, np.ndarray], agent: Agent, seed: int, steps: int) -> np.ndarray:
    """Let an agent act in one environment, episode after episode, and return its actions (T, A)."""
    observation, actions = env.reset(seed=seed)[0], []
    for _ in range(steps):
        actions.append(agent.act(observation))
        observation, _, terminated, truncated, _ = env.step(actions[-1])
        if terminated or truncated:
            observation, _ = env.reset()
            agent.reset()
    env.close()
    return np.stack(actions)
