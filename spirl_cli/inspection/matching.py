"""Which observations of a dataset are which of an environment's: by their names and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spirl_cli.errors import DatasetError
from spirl_cli.inspection.verdict import GOAL_KEYS, without_achieved

Key = str | None  # None: a plain array
Sizes = Mapping[Key, int]


@dataclass(frozen=True)
class Match:
    """Keys that mean the same, in the same order.

    Attributes:
        env: keys of the environment's observation.
        data: keys of the dataset's.
        sizes: numbers of each.
        why: how they were matched.
        left_out: names of what only one side has.
    """

    env: tuple[Key, ...]
    data: tuple[Key, ...]
    sizes: tuple[int, ...]
    why: str
    left_out: tuple[str, ...] = ()


def match_observations(data: Sizes, env: Sizes) -> Match:
    """Find the observations that dataset and environment share.

    Args:
        data: numbers of each usable observation of the dataset, by key.
        env: the same of the environment.

    Raises:
        DatasetError: none are found; the message shows keys and sizes of both sides.
    """
    for attempt in (_same_names, _plain_data, _plain_env, _only_one):
        match = attempt(data, env)
        if match is not None:
            return match
    raise DatasetError(
        f"the observations of dataset and environment do not match by names and sizes: the dataset has "
        f"{show_sizes(data)}; the environment has {show_sizes(env)}",
        "copy the template with 'spirl recipe copy gymnasium FILE' and name in env.observation and "
        "extract.observation what means the same",
    )


def show_sizes(sizes: Sizes) -> str:
    """Write keys with their numbers, such as `observation (10), desired_goal (3)`."""
    return ", ".join(f"{key or 'a plain array'} ({size})" for key, size in sizes.items()) or "nothing of numbers"


def _same_names(data: Sizes, env: Sizes) -> Match | None:
    """Match what is called the same in both, if it has the same sizes; a plain array is called None."""
    shared = [key for key in env if key in data]
    if not shared or any(data[key] != env[key] for key in shared):
        return None
    keys = tuple(without_achieved(shared))
    others = [f"{key} of the {_side(key, data, env)}" for key in {**data, **env} if key not in keys]
    why = "a plain array in both" if shared == [None] else "called the same in both"
    return Match(keys, keys, tuple(env[key] for key in keys), why, tuple(others))


def _side(key: Key, data: Sizes, env: Sizes) -> str:
    """Say on which side a key is."""
    if key in data and key in env:
        return "dataset and the environment"
    return "dataset" if key in data else "environment"


def _plain_data(data: Sizes, env: Sizes) -> Match | None:
    """Match a dataset's plain array with one key of the environment, or with its observation and goal together."""
    if set(data) != {None}:
        return None
    found = _unique(env, data[None])
    if found is not None:
        return Match((found,), (None,), (data[None],), "the only one of this size in the environment")
    goals = tuple(key for key in GOAL_KEYS if key in env)
    if len(goals) == len(GOAL_KEYS) and sum(env[key] for key in goals) == data[None]:
        sizes = tuple(env[key] for key in goals)
        return Match(goals, (None,), sizes, "observation and goal together are as long as the dataset's array")
    return None


def _plain_env(data: Sizes, env: Sizes) -> Match | None:
    """Match an environment's plain array with one key of the dataset, or with all of them together."""
    if set(env) != {None}:
        return None
    found = _unique(data, env[None])
    if found is not None:
        return Match((None,), (found,), (env[None],), "the only one of this size in the dataset")
    keys = tuple(without_achieved(list(data)))
    if sum(data[key] for key in keys) == env[None]:
        return Match((None,), keys, (env[None],), "all keys of the dataset together are as long as the array")
    return None


def _only_one(data: Sizes, env: Sizes) -> Match | None:
    """Match the only keys of both sides by their size."""
    if len(data) == len(env) == 1 and list(data.values()) == list(env.values()):
        return Match(tuple(env), tuple(data), tuple(env.values()), "the only ones, of the same size")
    return None


def _unique(sizes: Sizes, size: int) -> Key:
    """Return the only key of a size; None if there is none or several."""
    keys = [key for key, one in sizes.items() if one == size]
    return keys[0] if len(keys) == 1 else None
