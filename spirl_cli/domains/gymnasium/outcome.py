"""Success and reward of any Gymnasium environment, as the recipe defines them."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.domains.signals import described, flag, one_number, reward_number
from spirl_cli.errors import UsageError, did_you_mean, told
from spirl_cli.observation import find

_TRUE_HINT = "name a key that holds a bool, 0 or 1, or an array with one of these"


class OutcomeEnv(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Watches `info[section.success_key]` and sets reward and end of episodes accordingly.

    The key may be a path such as `eval/success`. True and 1 are success, as a bool, a number or an
    array of size 1; None means that the environment does not know yet.
    `info["metrics"]["success"]` is 1.0 from the step on at which the key was true for the first
    time in the episode; with `success: last` it is 1.0 where the key is true now. What `reset` says does not
    count, but is passed on as `info["success_at_reset"]`. With `reward: success` one step is paid 1 and all
    others 0, so that the return of an episode is its success: the first step at which the key is true, or
    with `success: last` the last step. An episode that ends both ways at once counts as terminated only.

    Args:
        env: the environment, its time limit included.
        section: the recipe's environment.

    Raises:
        UsageError: success is asked for without a key; or the key never showed in a whole episode, or
            holds what is neither true nor false.
    """

    def __init__(self, env: gym.Env[Any, Any], section: GymnasiumSection) -> None:
        RecordConstructorArgs.__init__(self, section=section)
        super().__init__(env)
        self._key = section.success_key
        self._pays_success = section.reward == "success"
        self._ends_on_success = section.terminate_on_success
        self._last_counts = section.success == "last"
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
        return observation, {**info, "metrics": self._metrics(), "success_at_reset": self._success(info) == 1.0}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step the wrapped environment."""
        # a copy, since some environments clip or scale the action in its own array
        observation, reward, terminated, truncated, info = self.env.step(np.array(action))
        before = self._succeeded
        self._watch(info)
        terminated = flag(terminated, "terminated") or (self._ends_on_success and self._succeeded)
        truncated = flag(truncated, "truncated") and not terminated
        if terminated or truncated:
            self._require_key(info)
        if self._pays_success:
            paid = terminated or truncated if self._last_counts else not before
            reward = float(self._succeeded and paid)
        return observation, reward_number(reward), terminated, truncated, {**info, "metrics": self._metrics()}

    def close(self) -> None:
        """Close the environment; if that fails, say so and go on, since nothing depends on it."""
        try:
            super().close()
        except (Exception, SystemExit) as error:
            warnings.warn(f"the environment cannot be closed: {told(error)}", stacklevel=2)

    def _watch(self, info: dict[str, Any]) -> None:
        success = self._success(info)
        if success is not None:
            self._key_seen = True
            self._succeeded = success == 1.0 or (self._succeeded and not self._last_counts)

    def _success(self, info: dict[str, Any]) -> float | None:
        """Return what `info` says of success, None if nothing."""
        if self._key is None:
            return None
        try:
            value = find(info, self._key)
        except KeyError:
            return None
        number = one_number(value)
        if value is not None and (number is None or np.isnan(number)):
            names = [f"{self._key}/{name}" for name in value] if isinstance(value, dict) else []
            raise UsageError(
                f"env.success_key: '{self._key}' is {described(value)} in `info`, which is neither true nor false",
                f"name one of its keys: {', '.join(names)}" if names else _TRUE_HINT,
            )
        return number

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
