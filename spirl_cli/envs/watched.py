"""An environment that reports to a watcher: for videos, datasets and pictures of paths."""

from __future__ import annotations

from typing import Any, Protocol

import gymnasium as gym


class Watcher(Protocol):
    """Receives every reset and step of an episode."""

    def began(self, env: gym.Env[Any, Any], observation: Any) -> None:
        """Note that an episode began with this observation; `env` may be drawn."""
        ...

    def stepped(
        self, env: gym.Env[Any, Any], action: Any, observation: Any, reward: float, terminated: bool, truncated: bool
    ) -> None:
        """Note that an action led to this observation."""
        ...


class WatchedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Passes everything on and reports it to the watcher.

    Args:
        env: the environment.
        watcher: receives every reset and step.
    """

    def __init__(self, env: gym.Env[Any, Any], watcher: Watcher) -> None:
        super().__init__(env)
        self._watcher = watcher

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        observation, info = self.env.reset(**options)
        self._watcher.began(self.env, observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the wrapped environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._watcher.stepped(self.env, action, observation, float(reward), bool(terminated), bool(truncated))
        return observation, reward, terminated, truncated, info
