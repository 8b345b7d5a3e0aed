"""Making an environment of Gymnasium's registry."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import AddRenderObservation

from spirl_cli.camera import resize
from spirl_cli.domains.gymnasium.module import import_module
from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.errors import UsageError, did_you_mean, told

PIXELS = "pixels"  # key of what is rendered


def make_gymnasium(section: GymnasiumSection, render_mode: str | None) -> gym.Env[Any, Any]:
    """Make the environment of an id, its time limit included.

    Raises:
        UsageError: there is no such environment, or it cannot be made.
    """
    if section.noise:
        raise UsageError(
            "env.noise is the kitchen's observation noise; other environments have none here",
            "pass what the environment itself offers in env.kwargs",
        )
    if section.module is not None:
        import_module(section.module, section.folder)
    if section.render_image is not None:
        render_mode = render_mode or "rgb_array"
    rendering = {} if render_mode is None else {"render_mode": render_mode}  # not all know the argument
    try:
        env = gym.make(
            section.id,
            max_episode_steps=section.episode_length,
            disable_env_checker=True,  # its warnings are for authors of environments
            **{**section.kwargs, **rendering},
        )
    except (gym.error.UnregisteredEnv, gym.error.DeprecatedEnv, ModuleNotFoundError) as error:
        raise UsageError(
            f"env.id: there is no environment '{section.id}'.{did_you_mean(section.id, gym.registry)}",
            "if a package registers it, name that package in env.module",
        ) from error
    except (Exception, SystemExit) as error:  # errors of a foreign constructor are about its arguments
        raise UsageError(
            f"env.id '{section.id}' cannot be made with env.kwargs {section.kwargs}: {told(error)}"
        ) from error
    return env if section.render_image is None else _with_rendering(env, section.render_image.size)


class SmallPixels(gym.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Resizes the image under the key `pixels`.

    Args:
        env: its observation is a dictionary.
        size: rows and columns.
    """

    def __init__(self, env: gym.Env[Any, Any], size: tuple[int, int]) -> None:
        RecordConstructorArgs.__init__(self, size=size)
        super().__init__(env)
        self._size = size
        spaces = dict(env.observation_space.spaces)  # type: ignore[attr-defined]
        spaces[PIXELS] = gym.spaces.Box(0, 255, (*size, spaces[PIXELS].shape[-1]), np.uint8)
        self.observation_space = gym.spaces.Dict(spaces)

    def observation(self, observation: Any) -> Any:
        """Return the observation with a small image."""
        return {**observation, PIXELS: resize(observation[PIXELS][np.newaxis], self._size)[0]}


def _with_rendering(env: gym.Env[Any, Any], size: tuple[int, int]) -> gym.Env[Any, Any]:
    """Add what the environment renders to its observation."""
    try:
        return SmallPixels(AddRenderObservation(env, render_only=False, render_key=PIXELS), size)
    except (Exception, SystemExit) as error:  # whatever a foreign renderer raises
        raise UsageError(
            f"env.render_image: the environment cannot be rendered: {told(error)}",
            "MuJoCo needs OpenGL: set MUJOCO_GL=egl or MUJOCO_GL=osmesa",
        ) from error
