"""JSON that every reader takes: `NaN` and `Infinity`, which Python would write, become null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def dumps(value: Any, indent: int | None = None, *, ascii_only: bool = False) -> str:
    """Return a value as JSON text, a number that is not finite as null.

    Args:
        value: what JSON can hold.
        indent: spaces per level; None: one line.
        ascii_only: escape other letters than those of ASCII.

    Raises:
        TypeError: something in it has no place in JSON.
    """
    return json.dumps(_finite(value), indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
