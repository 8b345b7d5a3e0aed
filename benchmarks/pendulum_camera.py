"""Pendulum-v1 with success, for `benchmarks.image_prior`: the last tenth of an episode has to be upright.

Importing it registers `UprightPendulum-v0`. It is no domain of spirl: what a camera shows is what Gymnasium renders.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

ID = "UprightPendulum-v0"
STEPS = 100
_UPRIGHT = 0.9  # cosine of the angle


class Upright(gym.Wrapper[Any, Any, Any, Any]):
    """Tell success where the pendulum stood upright in each of the last tenth of the steps."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._steps = self._since = 0

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._steps = self._since = 0
        return super().reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step; `is_success` is true from the last one on."""
        observation, reward, terminated, truncated, info = super().step(action)
        self._steps += 1
        self._since = self._since + 1 if observation[0] > _UPRIGHT else 0
        success = self._steps >= STEPS and self._since >= STEPS // 10
        return observation, reward, terminated, truncated, {**info, "is_success": success}


def make(render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Make the environment; it has no limit of steps of its own."""
    return Upright(gym.make("Pendulum-v1", render_mode=render_mode, disable_env_checker=True).unwrapped)


if ID not in gym.registry:
    gym.register(ID, f"{__name__}:make")
