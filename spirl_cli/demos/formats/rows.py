"""Arrays of one episode: small ones are read at once, large ones when they are sliced, so that memory holds a block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spirl_cli.demos.formats.pictures import DecodedImages

LARGE_BYTES = 100 * 2**20  # of an episode's array, from which on it is read in blocks


def rows_of(array: Any, first: int, stop: int) -> Any:
    """Return successive rows of an array that lies in a file.

    Args:
        array: has a shape, a dtype, and rows that are read when it is sliced.
        first, stop: the first row and the one after the last.

    Returns:
        An array; from `LARGE_BYTES` on something that is read when it is sliced.
    """
    shape = (max(min(stop, array.shape[0]) - first, 0), *array.shape[1:])
    if is_small(shape, array.dtype):
        return np.asarray(array[first:stop])
    return DecodedImages(shape, array.dtype, lambda begin, end: np.asarray(array[first + begin : first + end]))


def is_small(shape: tuple[int, ...], dtype: Any) -> bool:
    """Say whether an array of this shape and type is read at once."""
    return math.prod(shape) * np.dtype(dtype).itemsize <= LARGE_BYTES
