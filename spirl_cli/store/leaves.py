"""Nested parameters as a flat list of paths and values, by which two sets of them are compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spirl_cli.store.fingerprint import canonical

Leaf = tuple[str, str]  # dotted path, and the value there as JSON


def values_by_path(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a nested mapping in canonical form, by dotted path."""
    return dict(_walk(canonical(values), ""))


def leaves(values: Mapping[str, Any]) -> list[Leaf]:
    """Return `values_by_path` with each value as JSON, which unlike `==` tells True from 1."""
    return [(path, json.dumps(value)) for path, value in values_by_path(values).items()]


def differing(left: Iterable[Leaf], right: Iterable[Leaf]) -> set[str]:
    """Return the paths in which two nested mappings differ, as `spirl_cli.store.diff.differences` does."""
    return {path for path, _ in set(left).symmetric_difference(right)}


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, value); a list is one value unless it holds mappings."""
    if isinstance(value, dict) and (value or not path):
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")
    else:
        yield path, value
