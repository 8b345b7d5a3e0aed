"""Success and reward of any Gymnasium environment, as the recipe defines them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.errors import UsageError, did_you_mean


class OutcomeEnv(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Watches ``info[section.success_key]`` and sets reward and end of episodes accordingly.

    ``info["metrics"]["success"]`` is 1.0 from the first step at which the key is true until the end of the episode.
    With ``reward: success`` that step has reward 1 and all others 0, so that the return of an episode is its success.
    An episode that is terminated and truncated at once counts as terminated only.

    Args:
        env: the environment, its time limit included.
        section: the recipe's environment.

    Raises:
        UsageError: the recipe asks for success without naming a key; or the key was missing from `info` in a whole
            episode.
    """

    def __init__(self, env: gym.Env[Any, Any], section: GymnasiumSection) -> None:
        RecordConstructorArgs.__init__(self, section=section)
        super().__init__(env)
        self._key = section.success_key
        self._pays_success = section.reward == "success"
        self._ends_on_success = section.terminate_on_success
        if self._key is None and (self._pays_success or self._ends_on_success):
            raise UsageError(
                "env.reward: success and env.terminate_on_success need env.success_key",
                "name the key of `info` that is true once the episode succeeded",
            )
        self._succeeded = self._key_seen = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._succeeded = False
        return observation, {**info, "metrics": self._metrics()}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step the wrapped environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        before = self._succeeded
        self._watch(info)
        if self._pays_success:
            reward = float(self._succeeded and not before)
        terminated = bool(terminated) or (self._ends_on_success and self._succeeded)
        truncated = bool(truncated) and not terminated
        if terminated or truncated:
            self._require_key(info)
        return observation, float(reward), terminated, truncated, {**info, "metrics": self._metrics()}

    def _watch(self, info: dict[str, Any]) -> None:
        if self._key is not None and self._key in info:
            self._key_seen = True
            self._succeeded = self._succeeded or bool(info[self._key])

    def _require_key(self, info: dict[str, Any]) -> None:
        # Some environments report success at the end only, so its absence is an error only there.
        if self._key is not None and not self._key_seen:
            raise UsageError(
                f"env.success_key: '{self._key}' never showed in `info` during an episode."
                f"{did_you_mean(self._key, info)}",
                f"keys of info: {', '.join(sorted(map(str, info))) or 'none'}",
            )

    def _metrics(self) -> dict[str, float]:
        return {} if self._key is None else {"success": float(self._succeeded)}
