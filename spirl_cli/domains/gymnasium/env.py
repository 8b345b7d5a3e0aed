"""Making an environment of Gymnasium's registry."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from spirl_cli.domains.gymnasium.module import import_module
from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.errors import UsageError, did_you_mean


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
    rendering = {} if render_mode is None else {"render_mode": render_mode}  # not all know the argument
    try:
        return gym.make(
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
    except Exception as error:  # errors of a foreign constructor are about its arguments
        raise UsageError(
            f"env.id '{section.id}' cannot be made with env.kwargs {section.kwargs}: {type(error).__name__}: {error}"
        ) from error
