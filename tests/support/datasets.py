"""Small Minari datasets that tests make: a kitchen-like one, a pendulum's, and any other."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MakeMinari = Callable[..., None]
KITCHEN_START = (
    (0.148, -1.768, 1.844, -2.477, 0.260, 0.713, 1.595, 0.048, 0.037)  # robot
    + (0.0,) * 14  # burners, switches, cabinets, microwave at rest
    + (-0.269, 0.350, 1.619, 1.006, 0.004, -0.007, 0.0)  # kettle
)


@dataclass(frozen=True)
class SyntheticMinari:
    """A folder of Minari datasets, and the names of those in it.

    Attributes:
        path: value for MINARI_DATASETS_PATH.
        kitchen: 12 episodes of 40 to 60 steps, shaped like those of FrankaKitchen-v1.
        pendulum: 8 episodes of 60 steps of Pendulum-v1 under a simple controller.
    """

    path: Path
    kitchen: str = "test/kitchen-v0"
    pendulum: str = "test/pendulum-v0"


def make_kitchen_dataset(dataset_id: str, episodes: int = 12, seed: int = 0) -> None:
    """Write a Minari dataset with the spaces of FrankaKitchen-v1 and smooth made-up motions."""
    generator = np.random.default_rng(seed)
    lengths = np.linspace(40, 60, episodes).astype(int)
    buffers = [_kitchen_episode(generator, int(steps)) for steps in lengths]
    write_minari(dataset_id, buffers, _kitchen_space(), _box(9, 1.0))


def make_pendulum_dataset(dataset_id: str, episodes: int = 8, steps: int = 60) -> None:
    """Write a Minari dataset of Pendulum-v1 under an energy-shaping controller."""
    import gymnasium as gym

    env = gym.make("Pendulum-v1", max_episode_steps=steps)
    buffers = [_pendulum_episode(env, seed) for seed in range(episodes)]
    write_minari(dataset_id, buffers, env.observation_space, env.action_space)
    env.close()


def make_reach_dataset(dataset_id: str, episodes: int = 8, steps: int = 40, scale: float = 1.0) -> None:
    """Write a Minari dataset of `ReachEnv` with a controller that goes to the goal.

    Args:
        dataset_id: its name.
        episodes: how many.
        steps: of each.
        scale: factor of the recorded actions and of their bounds.
    """
    from tests.support.environments import ReachEnv

    env = ReachEnv()
    buffers = [_reach_episode(env, seed, steps, scale) for seed in range(episodes)]
    write_minari(dataset_id, buffers, env.observation_space, _box(2, 0.5 * scale))


def _reach_episode(env: Any, seed: int, steps: int, scale: float) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    seen, actions = [env.reset(seed=seed)[0]], []
    for _ in range(steps):
        way = seen[-1]["desired_goal"] - seen[-1]["achieved_goal"]
        actions.append(np.clip(3 * way + 0.1 * generator.normal(size=2), -0.5, 0.5))
        seen.append(env.step(actions[-1])[0])
    observations = {name: np.array([one[name] for one in seen]) for name in seen[0]}
    return episode_buffer(observations, scale * np.array(actions))


def write_minari(dataset_id: str, episodes: list[dict[str, Any]], observation_space: Any, action_space: Any) -> None:
    """Write a dataset through Minari's own interface."""
    import minari
    from minari.data_collector import EpisodeBuffer

    buffers = [EpisodeBuffer(id=number, **episode) for number, episode in enumerate(episodes)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Minari misses an env_spec, which spirl does not need
        minari.create_dataset_from_buffers(
            dataset_id,
            buffers,
            observation_space=observation_space,
            action_space=action_space,
            algorithm_name="made up for tests",
            author="tests",
            author_email="tests@example.com",
            code_permalink="https://example.com",
            description="made up for tests",
        )


def episode_buffer(observations: Any, actions: np.ndarray) -> dict[str, Any]:
    """Return an episode without rewards that is truncated at its last step."""
    steps = len(actions)
    return {
        "observations": observations,
        "actions": actions,
        "rewards": np.zeros(steps),
        "terminations": np.zeros(steps, bool),
        "truncations": np.arange(steps) == steps - 1,
    }


def _kitchen_episode(generator: np.random.Generator, steps: int) -> dict[str, Any]:
    """A robot that follows slow random velocities, and a microwave door that it opens."""
    phase, pace = generator.uniform(0, 2 * np.pi, 9), generator.uniform(0.02, 0.1, 9)
    actions = 0.6 * np.sin(phase + pace * np.arange(steps)[:, None])  # (T, 9)
    positions = np.tile(KITCHEN_START, (steps + 1, 1))  # (T+1, 30)
    positions[1:, :9] += np.cumsum(0.05 * actions, axis=0)
    positions[:, 22] = -0.75 * np.clip(np.linspace(-1, 1, steps + 1), 0, 1)
    velocities = np.diff(positions, axis=0, append=positions[-1:]) / 0.08
    robot = np.concatenate([positions[:, :9], velocities[:, :9]], axis=1)
    objects = np.concatenate([positions[:, 9:], velocities[:, 10:]], axis=1)
    door = positions[:, 22:23]
    observations = {
        "observation": np.concatenate([robot, objects], axis=1),  # (T+1, 59)
        "achieved_goal": {"microwave": door},
        "desired_goal": {"microwave": np.full_like(door, -0.75)},
    }
    return episode_buffer(observations, actions)


def _kitchen_space() -> Any:
    from gymnasium.spaces import Dict

    goal = Dict({"microwave": _box(1)})
    return Dict({"observation": _box(59), "achieved_goal": goal, "desired_goal": goal})


def _box(size: int, bound: float = np.inf) -> Any:
    from gymnasium.spaces import Box

    return Box(-bound, bound, (size,), np.float64)


def _pendulum_episode(env: Any, seed: int) -> dict[str, Any]:
    observations, actions, done = [env.reset(seed=seed)[0]], [], False
    while not done:
        cosine, sine, speed = observations[-1]
        energy = 0.5 * speed**2 + 15 * (cosine - 1)
        torque = -10 * sine - 2 * speed if cosine > 0.9 else -0.3 * energy * np.sign(speed)
        actions.append(np.clip([torque], -2, 2).astype(np.float32))
        observation, _, terminated, truncated, _ = env.step(actions[-1])
        observations.append(observation)
        done = terminated or truncated
    return episode_buffer(np.array(observations), np.array(actions))
