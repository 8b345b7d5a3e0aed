"""Skills as actions: an ordinary Gymnasium environment around a frozen skill decoder."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from spirl_cli.envs.replayable import EpisodeState
from spirl_cli.errors import DivergedError, UsageError
from spirl_cli.inference.decoders import SkillDecoder


class SkillEnv(gym.Wrapper[np.ndarray, np.ndarray, Any, Any], RecordConstructorArgs):
    """One step runs one skill: the decoder acts for up to H steps of the wrapped environment.

    The reward is the sum of the rewards of these steps; a skill ends early when the episode does.
    `info` is the last primitive step's, with

    - `steps`: primitive steps taken, 1 to H;
    - `last_reward`: the reward of the last of these steps;
    - `late_observation`: the observation after the first of these steps `(D,)`. Defects of the authors' code need the
    last two (docs/method.md#defects-of-the-authors-code).

    It works with any library of reinforcement learning that takes Gymnasium environments::

        env = SkillEnv(make_env(recipe.env), load_decoder(path), latent_bound=3.0)
        model = stable_baselines3.SAC("MlpPolicy", env)

    Args:
        env: environment with a Box action space and an array as observation.
        decoder: the skills; its actions are clipped to the environment's bounds.
        latent_bound: bound of the action space. Infinite by default, since a Gaussian prior has no
            bounds; libraries that squash their policy into the action space need a finite one.
            Latents beyond it are not clipped.

    Raises:
        UsageError: the space of actions or of observations is not a Box.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        decoder: SkillDecoder,
        *,
        latent_bound: float = float("inf"),
    ) -> None:
        RecordConstructorArgs.__init__(self, decoder=decoder, latent_bound=latent_bound)
        super().__init__(env)
        actions = env.action_space
        for name, space in (("actions", actions), ("observations", env.observation_space)):
            if not isinstance(space, gym.spaces.Box):
                raise UsageError(f"skills need a continuous (Box) space of {name}; this environment has {space}")
        assert isinstance(actions, gym.spaces.Box)  # narrows the type for the type checker
        self.decoder = decoder
        self.action_space = gym.spaces.Box(-latent_bound, latent_bound, (decoder.latent_dim,), np.float32)
        self._low, self._high = actions.low, actions.high
        self._dtype = actions.dtype
        self._observation: np.ndarray = np.zeros(0, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode."""
        self._observation, info = self.env.reset(seed=seed, options=options)
        return self._observation, info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Run the skill z `(K,)` and return the summed reward.

        Raises:
            DivergedError: the skill is not finite.
        """
        latent = np.asarray(action, dtype=np.float32)
        if not np.isfinite(latent).all():
            raise DivergedError("the policy chose a skill with a non-finite number")
        self.decoder.begin(latent)
        total, steps, late_observation = 0.0, 0, None
        terminated = truncated = False
        while steps < self.decoder.horizon and not (terminated or truncated):
            observation, reward, terminated, truncated, info = self.env.step(self._primitive_action())
            self._observation = observation
            late_observation = observation if steps == 0 else late_observation
            total += float(reward)
            steps += 1
        extra = {"steps": steps, "last_reward": float(reward), "late_observation": late_observation}
        return observation, total, terminated, truncated, {**info, **extra}

    @property
    def episode_state(self) -> EpisodeState:
        """The wrapped `ReplayableEnv`'s episode state; between two skills there is nothing else to save."""
        episode_state: EpisodeState = self.env.get_wrapper_attr("episode_state")
        return episode_state

    @episode_state.setter
    def episode_state(self, episode_state: EpisodeState) -> None:
        self.env.set_wrapper_attr("episode_state", episode_state)
        self._observation = self.episode_state["observation"]

    def _primitive_action(self) -> np.ndarray:
        action = self.decoder.act(self._observation)
        clipped: np.ndarray = np.clip(action.astype(self._dtype, copy=False), self._low, self._high)
        return clipped
