"""Select parts of an observation, the same way in datasets, environments and agents."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from spirl_cli.errors import UsageError, did_you_mean
from spirl_cli.settings import ObservationPart, expand_indices


def select(observation: Any, parts: Sequence[ObservationPart], leading: int = 0) -> np.ndarray:
    """Flatten and concatenate the chosen parts of an observation.

    Args:
        observation: an array, or a (nested) mapping or tuple of arrays; an open HDF5 group
            is a mapping too, and only the chosen parts of it are read.
        parts: keys and indices, in the order of the result. Indices count through the
            flattened array of one observation.
        leading: number of leading axes that are kept: 0 for one observation, 1 for a batch
            of observations or all observations of an episode.

    Returns:
        float32 array with the leading axes and a last axis of size D.

    Raises:
        UsageError: a key is missing, an index out of range, or an array not numeric.
    """
    if not parts:
        raise UsageError("the observation selection is empty", "name at least one part under `observation`")
    pieces = [_piece(observation, part, leading) for part in parts]
    # always a copy, since environments may reuse their buffers
    return np.concatenate(pieces, axis=-1, dtype=np.float32, casting="unsafe")


def _piece(observation: Any, part: ObservationPart, leading: int) -> np.ndarray:
    array = _numeric(look_up(observation, part.key), part.key, leading)
    flat = array.reshape(*array.shape[:leading], -1)  # (..., n)
    if part.indices is None:
        return flat
    return flat[..., _positions(part.key, part.indices, flat.shape[-1])]


@lru_cache(maxsize=256)
def _positions(key: str | None, indices: tuple[int | str, ...], size: int) -> np.ndarray:
    """Return the integer positions; cached, because environments ask at every step."""
    try:
        return np.array(expand_indices(indices, size), dtype=np.intp)
    except UsageError as error:
        raise UsageError(f"observation {name_of(key)}: {error.message}", error.hint) from error


def find(node: Any, key: str) -> Any:
    """Return what a key stands for: the whole key if it is one, else a path such as `robot/qpos`.

    A name may itself hold slashes, as `walker/joints_pos` does in one flat dictionary.

    Args:
        node: a (nested) mapping or tuple.
        key: key, or names with slashes between them.

    Raises:
        KeyError: there is no such thing.
    """
    children = _children(node)
    if key in children:
        return children[key]
    for end in (position for position in reversed(range(len(key))) if key[position] == "/"):  # longest name first
        if key[:end] in children:
            with contextlib.suppress(KeyError):
                return find(children[key[:end]], key[end + 1 :])
    raise KeyError(key)


def look_up(observation: Any, key: str | None) -> Any:
    """Return the part of an observation that a key or path stands for.

    Without a key it is the observation itself, or the array that it names as its plain one.

    Raises:
        UsageError: a key is missing.
    """
    if key is None:
        return getattr(observation, "plain", observation)
    try:
        return find(observation, key)
    except KeyError:
        raise _missing(observation, key) from None


def _children(node: Any) -> Mapping[str, Any]:
    if isinstance(node, Mapping):
        return node
    if isinstance(node, tuple):
        return {str(index): child for index, child in enumerate(node)}
    return {}


def _longest(node: Any, names: Sequence[str]) -> int:
    """Return how many of the names, joined by slashes, are a key of a node, at most all but one; 0 for none."""
    counts = range(len(names) - 1, 0, -1)
    return next((count for count in counts if "/".join(names[:count]) in _children(node)), 0)


def _missing(observation: Any, key: str) -> UsageError:
    """Say at which name of a path there is nothing further, and what there is instead."""
    node, names = observation, key.split("/")
    while count := _longest(node, names):
        node, names = _children(node)["/".join(names[:count])], names[count:]
    name, children = names[0], _children(node)
    if not children:
        return UsageError(
            f"the observation has no key '{key}': it is a plain array where '{name}' is looked up",
            "leave `key` out in the observation selection to use the plain array",
        )
    known = sorted(str(child) for child in children)
    return UsageError(
        f"the observation has no key '{key}' ('{name}' is missing).{did_you_mean('/'.join(names), known)}",
        f"known keys: {', '.join(known)}",
    )


def _numeric(leaf: Any, key: str | None, leading: int) -> np.ndarray:
    """Return the array if it is one of numbers, or explain why it is not."""
    children = _children(leaf)
    if children:
        raise UsageError(
            f"observation {name_of(key)} is not one array but has the keys {', '.join(sorted(children))}",
            "choose one of them with `key` in the observation selection",
        )
    array = np.asarray(leaf)
    if array.dtype.kind not in "biuf":
        raise UsageError(f"observation {name_of(key)} is not numeric (its type is {array.dtype})")
    if array.ndim < leading:
        raise UsageError(f"observation {name_of(key)} has shape {array.shape}, too few axes for a batch")
    return array


def name_of(key: str | None) -> str:
    """Return what messages call the array under a key."""
    return "array" if key is None else f"'{key}'"
