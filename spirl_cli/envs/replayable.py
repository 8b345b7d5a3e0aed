"""Replayable episodes: each depends only on a seed, its index and its actions."""

from __future__ import annotations

from typing import Any, TypedDict

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from spirl_cli.domains.signals import reward_number
from spirl_cli.errors import DivergedError, NotFiniteError


class EpisodeState(TypedDict):
    """The state of a `ReplayableEnv`, from which the same point of the same episode can be restored.

    Attributes:
        resets: number of numbered episodes that were started.
        episode: index of the running episode; -1 before the first reset.
        env_seed: seed of the running episode's reset.
        actions: actions since the reset, `(t, A)` float64.
        observation: last observation, `(D,)`.
    """

    resets: int
    episode: int
    env_seed: int
    actions: np.ndarray
    observation: np.ndarray


class ReplayableEnv(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Numbers the episodes, seeds each one by its number, and records its actions.

    The k-th reset without a seed starts episode `slot + k · slots`, seeded from
    `SeedSequence([seed, episode])`: with one slot per environment of a vector, episode 17 is the
    same whatever the number of environments. `info["episode"]` is the index at every step.

    The state of an environment is saved as the episode's seed and actions, and restored by repeating the actions. This
    needs no access to the simulator, works for every environment that is deterministic given its seed, and costs at
    most one episode of simulation per resume.

    Nothing passes that is not finite: neither the actions, nor what the environment returns.

    Args:
        env: environment with a Box action space and an array as observation.
        seed: seed of the whole sequence of episodes.
        slot: index of this environment among the `slots`.
        slots: number of environments that share the sequence.

    Raises:
        DivergedError: an action is not finite.
        NotFiniteError: a reward, a number of an observation, or a metric at the end is not finite.
    """

    def __init__(self, env: gym.Env[Any, Any], seed: int, slot: int = 0, slots: int = 1) -> None:
        RecordConstructorArgs.__init__(self, seed=seed, slot=slot, slots=slots)
        super().__init__(env)
        self._seed, self._slot, self._slots = seed, slot, slots
        self._resets, self._episode, self._env_seed = 0, -1, 0
        self._actions: list[np.ndarray] = []
        self._observation: np.ndarray = np.zeros(0, np.float32)
        self.restored_exactly = True  # whether the last restored state gave the same observation

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start the next numbered episode; with `seed`, start the current number with that seed."""
        if seed is None:
            self._episode = self._slot + self._resets * self._slots
            self._resets += 1
            seed = episode_seed(self._seed, self._episode)
        return self._begin(seed, options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step and record the action."""
        # The space's own type, so that a replay passes exactly the same numbers to the environment.
        action = np.array(action, dtype=self.action_space.dtype)
        if not np.isfinite(action).all():
            raise DivergedError(f"the skill became an action that is not finite {self._place(len(self._actions) + 1)}.")
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._actions.append(action)
        self._observation = observation
        self._require_finite("observation", observation)
        # as float32, since that is how a replay memory keeps it
        with np.errstate(over="ignore"):
            self._require_finite("reward", np.float32(reward_number(reward)))
        if terminated or truncated:
            for name, value in info.get("metrics", {}).items():
                self._require_finite(f"metric '{name}'", value)
        return observation, float(reward), bool(terminated), bool(truncated), {**info, "episode": self._episode}

    @property
    def episode_state(self) -> EpisodeState:
        """The present point of the present episode; assigning it returns to that point.

        Assigning sets `restored_exactly` to False if the replay ends in another observation,
        which means that the environment is not deterministic given its seed.
        """
        size = int(np.prod(self.action_space.shape or (1,)))
        return EpisodeState(
            resets=self._resets,
            episode=self._episode,
            env_seed=self._env_seed,
            actions=np.array(self._actions, dtype=np.float64).reshape(-1, size),
            observation=np.array(self._observation),
        )

    @episode_state.setter
    def episode_state(self, episode_state: EpisodeState) -> None:
        self._resets, self._episode = int(episode_state["resets"]), int(episode_state["episode"])
        self.restored_exactly = True
        if self._episode < 0:
            return
        self._begin(int(episode_state["env_seed"]), None)
        shape = self.action_space.shape or ()
        for action in np.asarray(episode_state["actions"]):
            self.step(action.reshape(shape))
        self.restored_exactly = np.array_equal(self._observation, episode_state["observation"], equal_nan=True)

    def _begin(self, env_seed: int, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        self._env_seed, self._actions = env_seed, []
        self._observation, info = self.env.reset(seed=env_seed, options=options)
        self._require_finite("observation", self._observation)
        return self._observation, {**info, "episode": self._episode}

    def _require_finite(self, quantity: str, value: Any) -> None:
        finite = np.isfinite(value)
        if finite.all():
            return
        index = int(np.argmin(finite))
        number = f" (number {index} of {finite.size})" if finite.size > 1 else ""
        spec = self.env.spec
        name = f" '{spec.id}'" if spec is not None else ""
        raise NotFiniteError(
            f"the environment{name} returned {np.ravel(value)[index]} as {quantity}{number} "
            f"{self._place(len(self._actions))}.",
            "this is the environment's, not the policy's: mend it, then run the same command again; "
            "nothing of this step was stored",
        )

    def _place(self, step: int) -> str:
        shared = f", in environment {self._slot} of {self._slots}" if self._slots > 1 else ""
        return f"at step {step} of episode {self._episode} (reset with seed {self._env_seed}{shared})"


def episode_seed(seed: int, episode: int) -> int:
    """Return the environment's seed for a numbered episode, 32 bits."""
    return int(np.random.SeedSequence([seed, episode]).generate_state(1)[0])
