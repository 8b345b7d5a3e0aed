"""Episodes of the scripted expert by number, and their form in a Minari dataset."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.domain import GeneratedEpisode
from spirl_cli.domains.kitchen.expert.demonstrator import Demonstrator
from spirl_cli.domains.kitchen.section import KITCHEN_TASKS, KitchenExpert
from spirl_cli.domains.kitchen.simulation import GOAL_RADIUS
from spirl_cli.errors import SpirlError

OBSERVATION = 59  # numbers
ATTEMPTS = 25  # for one episode

Goals = Mapping[str, tuple[np.ndarray, np.ndarray]]  # subtask → indices of its joints and their goal positions


def play_numbered(settings: KitchenExpert, number: int) -> GeneratedEpisode:
    """Return the episode of a number, 0 and up, of the set that the settings decide; failures are repeated.

    Returns:
        states `(T+1, 89)`: the observation and the 30 true joint positions; actions `(T, 9)`.

    Raises:
        SpirlError: no attempt succeeded.
    """
    demonstrator = _demonstrator(settings)
    for attempt in range(ATTEMPTS):
        one = demonstrator.play(np.random.SeedSequence(settings.seed, spawn_key=(number, attempt)))
        if one.success:
            states = np.concatenate([one.observations, one.states], axis=1).astype(np.float32)
            return GeneratedEpisode(states, one.actions, attempts=attempt + 1)
    raise SpirlError(
        f"the scripted demonstrator failed {ATTEMPTS} times in a row", "make extract.scripted easier: less variation"
    )


def spaces(settings: KitchenExpert) -> tuple[gym.Space[Any], gym.Space[Any]]:
    """Return FrankaKitchen's spaces of observations and actions."""
    env = _demonstrator(settings).kitchen.env
    return env.observation_space, env.action_space


def minari_episode(settings: KitchenExpert, states: np.ndarray, actions: np.ndarray) -> dict[str, Any]:
    """Return the fields of an episode for Minari, with FrankaKitchen's dictionary of observations.

    Args:
        settings: settings of the expert.
        states: `(T+1, 89)`, from `play_numbered`.
        actions: `(T, 9)`.
    """
    goals = _demonstrator(settings).kitchen.goals
    observations, positions = np.split(states.astype(np.float64), [OBSERVATION], axis=1)
    steps = len(actions)
    return {
        "observations": {
            "observation": observations,
            "achieved_goal": {task: positions[:, indices] for task, (indices, _) in goals.items()},
            "desired_goal": {task: np.tile(goal, (steps + 1, 1)) for task, (_, goal) in goals.items()},
        },
        "actions": actions.astype(np.float64),
        "rewards": _rewards(positions, goals),
        "terminations": np.zeros(steps, bool),
        "truncations": np.arange(steps) == steps - 1,
    }


@functools.lru_cache(maxsize=1)
def _demonstrator(settings: KitchenExpert) -> Demonstrator:
    """Return the demonstrator of this process, which has one kitchen."""
    return Demonstrator(settings)


def _rewards(positions: np.ndarray, goals: Goals) -> np.ndarray:
    """Return rewards `(T,)`: 1 for every subtask that a step solves first; positions are `(T+1, 30)`."""
    rewards = np.zeros(len(positions) - 1)
    for task in KITCHEN_TASKS:
        indices, goal = goals[task]
        reached = np.linalg.norm(positions[1:, indices] - goal, axis=1) < GOAL_RADIUS
        if reached.any():
            rewards[int(reached.argmax())] += 1.0
    return rewards
