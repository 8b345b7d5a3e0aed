"""A dataset that every computer can make: an energy-shaping controller swings up Pendulum-v1.

    python -m spirl_cli.demos.pendulum

writes the Minari dataset `pendulum/swing-v0` for `recipes/gymnasium.yaml`. That recipe shows the whole pipeline within
minutes and without a network; its agent is not a result.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

DATASET = "pendulum/swing-v0"
EPISODES = 150
STEPS = 200
MAX_TORQUE = 2.0


def swing_up_torque(observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a noisy torque `(1,)` for a state (cos θ, sin θ, θ̇): pump energy, then balance."""
    cosine, sine, speed = observation
    if cosine > 0.9:
        torque = -10.0 * sine - 2.0 * speed
    else:
        energy = 0.5 * speed**2 + 15.0 * (cosine - 1.0)  # 0 in the upright state at rest
        torque = -0.3 * energy * np.sign(speed)
    return np.clip([torque + 0.2 * rng.standard_normal()], -MAX_TORQUE, MAX_TORQUE).astype(np.float32)


def play_episode(env: Any, seed: int) -> dict[str, Any]:
    """Return an episode in the form of Minari's EpisodeBuffer."""
    rng = np.random.default_rng(seed)
    observations, actions, rewards, over = [env.reset(seed=seed)[0]], [], [], False
    while not over:
        actions.append(swing_up_torque(observations[-1], rng))
        observation, reward, terminated, truncated, _ = env.step(actions[-1])
        observations.append(observation)
        rewards.append(float(reward))
        over = terminated or truncated
    ends = np.arange(len(actions)) == len(actions) - 1
    return {
        "observations": np.array(observations),
        "actions": np.array(actions),
        "rewards": np.array(rewards),
        "terminations": np.zeros(len(actions), bool),
        "truncations": ends,
    }


def write_dataset(dataset_id: str = DATASET, episodes: int = EPISODES, steps: int = STEPS) -> None:
    """Simulate the episodes and store them among the local Minari datasets.

    Raises:
        ValueError: a dataset of this name exists already.
    """
    import gymnasium as gym
    import minari
    from minari.data_collector import EpisodeBuffer

    env = gym.make("Pendulum-v1", max_episode_steps=steps)
    buffers = [EpisodeBuffer(id=number, **play_episode(env, seed=number)) for number in range(episodes)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Minari warns about a missing author and permalink
        minari.create_dataset_from_buffers(
            dataset_id,
            buffers,
            env=env,
            algorithm_name="energy shaping with a balancing PD controller and noise",
            description="Pendulum-v1 swung up and balanced by a scripted controller",
        )
    env.close()


def main() -> int:
    """Write the dataset unless it exists."""
    import minari

    if DATASET in minari.list_local_datasets():
        print(f"{DATASET} is on this machine already", file=sys.stderr)
    else:
        write_dataset()
    print(DATASET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
