"""Makes the environment of a recipe and checks that skills can act in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from spirl_cli.camera import View
from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.domains.signals import flag, reward_number
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.settings import ObservationPart

BOUND_TOLERANCE = 1e-4  # tolerance relative to the range, since recorded bounds may be rounded


class SelectObservation(gym.Wrapper[np.ndarray, Any, Any, Any], RecordConstructorArgs):
    """Shows the chosen parts of the observation as one float32 vector `(D+P,)`: numbers, then pixels of stacked images.

    Args:
        env: the environment.
        parts: what is chosen.
        frames: successive images that are stacked.

    Raises:
        UsageError: a part is missing, not numeric, or no image where it should be one.
    """

    def __init__(self, env: gym.Env[Any, Any], parts: Sequence[ObservationPart], frames: int = 1) -> None:
        RecordConstructorArgs.__init__(self, parts=parts, frames=frames)  # so that gym.make(env.spec) can make it again
        super().__init__(env)
        self._view = View(parts, frames)
        self._size = self._view.see(env.observation_space.sample()).shape[-1]
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (self._size,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._view.begin()
        return self._selected(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Step the wrapped environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        ends = flag(terminated, "terminated"), flag(truncated, "truncated")
        return self._selected(observation), reward_number(reward), *ends, info

    def _selected(self, observation: Any) -> np.ndarray:
        selected = self._view.see(observation)
        if len(selected) != self._size:
            raise UsageError(
                f"the environment's observation_space declares {self._size} numbers of what "
                f"env.observation selects, but it returned {len(selected)}",
                "let the space say what reset() and step() return, or select indices that are in both",
            )
        return selected


def make_env(section: EnvSection, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Make the environment of a recipe.

    Observations are float32 vectors, selected by `section.observation`; the pixels (0 to 255) of an image stand at
    the end of the vector. Actions are a finite, one-dimensional Box.
    `info["metrics"]` is a dictionary of floats with constant keys, which include the domain's `metrics`.
    Episodes end after `section.episode_length` steps (truncated), or before (terminated).

    Raises:
        UsageError: the environment does not exist, cannot be made, or does not fit the recipe.
    """
    env = make_raw_env(section, render_mode)
    try:
        check_actions(env)
        return SelectObservation(env, section.observation, section.stacked_frames)
    except UsageError:
        env.close()
        raise


def make_raw_env(section: EnvSection, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Make the environment with its own, unselected observations.

    It serves to record datasets; nothing is checked.
    """
    return domain_of(section).make(section, render_mode)


def check_compatible(
    section: EnvSection,
    observation_dim: int,
    action_dim: int,
    action_low: np.ndarray,
    action_high: np.ndarray,
) -> None:
    """Check that skills from a dataset can act in an environment, which is made for this.

    Args:
        section: the recipe's environment.
        observation_dim: size D of the dataset's selected observations without images.
        action_dim: size A of the dataset's actions.
        action_low: lower bounds of the dataset's actions `(A,)`.
        action_high: upper bounds of the dataset's actions `(A,)`.

    Raises:
        ArtifactError: the sizes of observations, the sizes of actions or the bounds of actions differ.
        UsageError: as `make_env`.
    """
    env = make_env(section)
    try:
        observations, actions = env.observation_space, env.action_space
        assert isinstance(observations, gym.spaces.Box) and isinstance(actions, gym.spaces.Box)
    finally:
        env.close()
    numbers = observations.shape[0] - math.prod(section.image_shape or (0,))
    if domain_of(section).scales(section, observation_dim) is not None:
        numbers = observation_dim  # `check_images` ensures that networks ignore the additional numbers
    _check_sizes(numbers, observation_dim, actions.shape[0], action_dim)
    _check_bounds(actions, np.asarray(action_low), np.asarray(action_high))


def _check_sizes(env_observation: int, observation: int, env_action: int, action: int) -> None:
    if env_observation != observation:
        raise ArtifactError(
            f"observations of the clips have {observation} numbers, those of the environment {env_observation}",
            "select the same quantities in env.observation and extract.observation",
        )
    if env_action != action:
        raise ArtifactError(
            f"actions of the clips have {action} numbers, those of the environment {env_action}",
            "the dataset must come from an environment with the same actions",
        )


def _check_bounds(actions: gym.spaces.Box, low: np.ndarray, high: np.ndarray) -> None:
    slack = BOUND_TOLERANCE * (actions.high - actions.low)
    for name, ours, theirs in (("lower", actions.low, low), ("upper", actions.high, high)):
        differs = np.abs(ours - theirs) > slack  # (A,)
        if differs.any():
            index = int(np.argmax(differs))
            raise ArtifactError(
                f"the {name} bound of action {index} is {theirs[index]:g} in the clips and "
                f"{ours[index]:g} in the environment",
                "actions mean the same in both only if their bounds agree; if the dataset's are recorded wrongly, "
                f"state those of the environment: --set 'extract.action_bounds=[{actions.low[index]:g}, "
                f"{actions.high[index]:g}]', and --set extract.out_of_bounds=clip for recorded actions beyond them",
            )


def check_actions(env: gym.Env[Any, Any]) -> None:
    """Check that the actions are vectors of floats with finite bounds.

    Raises:
        UsageError: they are not.
    """
    space = env.action_space
    if not isinstance(space, gym.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise UsageError(
            f"skills need continuous actions (a Box of floats); this environment has {space}",
            "a module of your own (env.module) can register the environment in a wrapper that takes such actions, "
            "for instance gymnasium.wrappers.TransformAction; the demonstrations need the same ones",
        )
    if len(space.shape) != 1 or not space.shape[0]:
        raise UsageError(f"actions must be vectors; this environment's have shape {space.shape}")
    if not np.isfinite([space.low, space.high]).all():
        raise UsageError(
            f"actions need finite bounds; this environment has {space}",
            "let its action_space say the range of actions that make sense, the same as in the demonstrations; a "
            "module of your own (env.module) can register it so, wrapped in gymnasium.wrappers.TransformAction",
        )
