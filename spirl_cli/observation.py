"""Select parts of an observation, the same way in datasets, environments and agents."""

from __future__ import annotations

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


def look_up(observation: Any, key: str | None) -> Any:
    """Follow a path such as ``robot/qpos`` through nested mappings and tuples; names may contain slashes too.

    Without a key the observation itself is meant, or what it says to be its plain array.

    Raises:
        UsageError: a key is missing.
    """
    if key is None:
        return getattr(observation, "plain", observation)
    node, names = observation, key.split("/")
    while names:
        children = _children(node)
        counts = range(len(names), 0, -1)  # the longest name first: what is called so is meant
        count = next((count for count in counts if "/".join(names[:count]) in children), 0)
        if not count:
            raise _missing(key, names[0], children)
        node, names = children["/".join(names[:count])], names[count:]
    return node


def _children(node: Any) -> Mapping[str, Any]:
    if isinstance(node, Mapping):
        return node
    if isinstance(node, tuple):
        return {str(index): child for index, child in enumerate(node)}
    return {}


def _missing(key: str, name: str, children: Mapping[str, Any]) -> UsageError:
    if not children:
        return UsageError(
            f"the observation has no key '{key}': it is a plain array where '{name}' is looked up",
            "leave `key` out in the observation selection to use the plain array",
        )
    known = sorted(str(child) for child in children)
    return UsageError(
        f"the observation has no key '{key}' ('{name}' is missing).{did_you_mean(name, known)}",
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
