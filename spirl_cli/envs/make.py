"""From a recipe's environment section to an environment, and the checks that go with it."""

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
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.settings import ObservationPart

BOUND_TOLERANCE = 1e-4  # relative to the range; recorded bounds may have been rounded


class SelectObservation(gym.Wrapper[np.ndarray, Any, Any, Any], RecordConstructorArgs):
    """Shows the chosen parts of the observation as one float32 vector (D+P,): numbers, then pixels of stacked images.

    Args:
        env: the environment.
        parts: what is chosen.
        frames: successive images that are stacked.

    Raises:
        UsageError: a part is missing, not numeric, or no image where it should be one.
    """

    def __init__(self, env: gym.Env[Any, Any], parts: Sequence[ObservationPart], frames: int = 1) -> None:
        RecordConstructorArgs.__init__(self, parts=parts, frames=frames)  # lets gym.make(env.spec) make it again
        super().__init__(env)
        self._view = View(parts, frames)
        size = self._view.see(env.observation_space.sample()).shape[-1]
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._view.begin()
        return self._view.see(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Step the wrapped environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._view.see(observation), float(reward), terminated, truncated, info


def make_env(section: EnvSection, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Make the environment of a recipe.

    Observations are float32 vectors, selected by ``section.observation``; where an image is among
    them its pixels (0 to 255) are the last of the vector. Actions are a finite, one-dimensional Box.
    ``info["metrics"]`` is a dictionary of floats with constant keys, those of the domain's `metrics` among them.
    Episodes end after ``section.episode_length`` steps (truncated), or before (terminated).

    Raises:
        UsageError: the environment does not exist, cannot be made, or does not fit the recipe.
    """
    env = make_raw_env(section, render_mode)
    try:
        _check_actions(env)
        return SelectObservation(env, section.observation, section.stacked_frames)
    except UsageError:
        env.close()
        raise


def make_raw_env(section: EnvSection, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Like :func:`make_env` with the environment's own, unselected observations.

    For recording datasets; nothing is checked.
    """
    return domain_of(section).make(section, render_mode)


def check_compatible(
    section: EnvSection,
    observation_dim: int,
    action_dim: int,
    action_low: np.ndarray,
    action_high: np.ndarray,
) -> None:
    """Check that skills from a dataset can act in an environment; makes it once.

    Args:
        section: the recipe's environment.
        observation_dim: size D of the dataset's selected observations, images not counted.
        action_dim: size A of its actions.
        action_low: lower bounds of its actions (A,).
        action_high: upper bounds (A,).

    Raises:
        ArtifactError: the sizes of observations or actions differ, or the bounds of the actions.
        UsageError: as :func:`make_env`.
    """
    env = make_env(section)
    try:
        observations, actions = env.observation_space, env.action_space
        assert isinstance(observations, gym.spaces.Box) and isinstance(actions, gym.spaces.Box)
    finally:
        env.close()
    numbers = observations.shape[0] - math.prod(section.image_shape or (0,))
    if domain_of(section).scales(section, observation_dim) is not None:
        numbers = observation_dim  # `check_images` sees to it that networks do not look at the others
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
                "actions mean the same in both only if their bounds agree; if the dataset's bounds are "
                "merely recorded wrongly, state them with extract.action_bounds",
            )


def _check_actions(env: gym.Env[Any, Any]) -> None:
    space = env.action_space
    if not isinstance(space, gym.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise UsageError(f"skills need continuous actions (a Box of floats); this environment has {space}")
    if len(space.shape) != 1:
        raise UsageError(f"actions must be vectors; this environment's have shape {space.shape}")
    if not np.isfinite([space.low, space.high]).all():
        raise UsageError(f"actions need finite bounds; this environment has {space}")
