"""Trying an environment for a few steps: what it shows, how long it lasts, what it says of success."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.registry import read_section
from spirl_cli.envs.make import check_actions, make_raw_env
from spirl_cli.errors import SpirlError, UsageError, told
from spirl_cli.inspection.columns import is_image
from spirl_cli.inspection.survey import leaves

STEPS = 100
RESETS = 5
_NAMES = ("is_success", "success")  # of success in `info`; then any name that holds the word
_UNLIMITED = 1_000_000  # steps; while trying, an environment's own limit does not matter


@dataclass
class Probe:
    """What an environment showed.

    Attributes:
        id, module: as in a recipe.
        low, high: bounds of its actions, `(A,)`.
        episode_length: the limit that it was registered with, or None.
        sizes: numbers of each part of its observation, by key (None: a plain array); no images, no texts.
        first: the values of these parts when they were first seen, flattened.
        changing: keys of the parts that changed within the steps and resets.
        left_out: keys of what cannot be used.
        rewards: those of the steps.
        success_keys: keys of `info` that may tell of success, the likeliest first.
        ends: episodes that ended by themselves within the steps.
    """

    id: str
    module: str | None
    low: np.ndarray
    high: np.ndarray
    episode_length: int | None
    sizes: dict[str | None, int] = field(default_factory=dict)
    first: dict[str | None, np.ndarray] = field(default_factory=dict)
    changing: set[str | None] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    success_keys: list[str] = field(default_factory=list)
    ends: int = 0


def probe_environment(env_id: str, module: str | None, folder: Path, steps: int = STEPS) -> Probe:
    """Make an environment and take some random steps in it.

    Args:
        env_id: its id among those of Gymnasium.
        module: what to import first, so that it is registered.
        folder: where the recipe is going to lie; files that it names are looked up there too.
        steps: how many.

    Raises:
        UsageError: there is no such environment, its actions are not continuous, or it fails.
    """
    values = {"kind": "gymnasium", "id": env_id, "module": module, "episode_length": _UNLIMITED}
    env = make_raw_env(read_section(values).with_files(folder))
    try:
        check_actions(env)
        return _stepped(env, env_id, module, steps)
    except SpirlError:
        raise
    except (Exception, SystemExit) as error:  # whatever a foreign environment raises
        raise UsageError(
            f"environment '{env_id}' failed while it was tried with random actions: {told(error)}",
            "reset() and step() have to work with actions of its action_space",
        ) from error
    finally:
        env.close()


def _stepped(env: gym.Env[Any, Any], env_id: str, module: str | None, steps: int) -> Probe:
    space = env.action_space
    assert isinstance(space, gym.spaces.Box), "`check_actions` has looked"
    limit = gym.spec(env_id.rpartition(":")[2]).max_episode_steps  # an id may begin with its module
    probe = Probe(env_id, module, space.low.astype(float), space.high.astype(float), limit)
    space.seed(0)
    for seed in reversed(range(RESETS)):
        observation, _ = env.reset(seed=seed)
        _note_observation(probe, observation)
    for _step in range(steps):
        observation, reward, terminated, truncated, info = env.step(space.sample())
        _note_observation(probe, observation)
        probe.rewards.append(float(reward))
        _note_success(probe, info)
        if terminated or truncated:
            probe.ends += 1
            env.reset()
    return probe


def _note_observation(probe: Probe, observation: Any) -> None:
    for key, leaf in leaves(observation):
        array = np.asarray(leaf)
        if array.dtype.kind in "biuf" and array.size and not is_image(array.dtype, array.shape):
            probe.sizes.setdefault(key, array.size)
            first = probe.first.setdefault(key, array.flatten())
            if not np.array_equal(first, array.flatten(), equal_nan=first.dtype.kind == "f"):
                probe.changing.add(key)
        elif (name := key or "the observation") not in probe.left_out:
            probe.left_out.append(name)


def _note_success(probe: Probe, info: Mapping[str, Any]) -> None:
    """Note the keys of `info` that sound like success and are true or false, as a bool or a number."""
    found = {*probe.success_keys, *(name for name, value in info.items() if _tells_success(str(name), value))}
    order = {name: place for place, name in enumerate(_NAMES)}
    probe.success_keys = sorted(found, key=lambda name: (order.get(name, len(order)), name))


def _tells_success(name: str, value: Any) -> bool:
    if "success" not in name.lower():
        return False
    array = np.asarray(value)
    return array.size == 1 and array.dtype.kind in "biuf" and bool(np.isin(array, (0, 1)).all())
