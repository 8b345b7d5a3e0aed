"""FrankaKitchen with chosen subtasks, exact reward semantics and no shared mutable state."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from spirl_cli.domains.kitchen.section import KitchenSection
from spirl_cli.domains.kitchen.simulation import Kitchen
from spirl_cli.domains.kitchen.subtasks import Subtasks


class KitchenEnv(gym.Wrapper[Any, Any, Any, Any]):
    """FrankaKitchen-v1's physics and observations, with spirl's rewards and ends of episodes.

    The reward is +1 once per subtask, see `Subtasks`. An episode terminates when all subtasks are rewarded, else
    it is truncated after `section.episode_length` steps; never both. `info` holds `metrics` only.

    Args:
        section: the recipe's environment.
        render_mode: None or `rgb_array`.
    """

    def __init__(self, section: KitchenSection, render_mode: str | None = None) -> None:
        self.kitchen = Kitchen(section.tasks, section.noise, section.object_noise, render_mode)
        super().__init__(self.kitchen.env)
        self.subtasks = Subtasks(section.tasks, section.order)
        self._episode_length = section.episode_length
        self._elapsed = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode from the one fixed state; the seed decides the observation noise."""
        observation = self.kitchen.reset(seed, options)
        self.subtasks.reset()
        self._elapsed = 0
        return observation, {"metrics": self.subtasks.metrics()}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move for 0.08 s with the joint velocities `action` `(9,)`."""
        observation = self.kitchen.step(action)
        self._elapsed += 1
        reward = self.subtasks.pay(self.kitchen.at_goal)
        terminated = self.subtasks.complete
        truncated = not terminated and self._elapsed >= self._episode_length
        return observation, reward, terminated, truncated, {"metrics": self.subtasks.metrics()}
