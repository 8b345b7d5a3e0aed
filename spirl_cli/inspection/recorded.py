"""What a dataset says beside observations and actions: rewards, success, the environment it was recorded in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spirl_cli.demos.dataset import Dataset
from spirl_cli.demos.formats.checked_hdf5 import CheckedFile, CheckedGroup
from spirl_cli.demos.formats.checks import DAMAGE
from spirl_cli.demos.formats.hdf5 import SUFFIXES
from spirl_cli.errors import DatasetError
from spirl_cli.inspection.columns import Column

_NAMES = ("reward", "rewards", "success", "successes", "is_success", "next.reward", "next.success")
_BLOCK = 1_000_000  # rows read at once


@dataclass(frozen=True)
class RecordedEnv:
    """The environment that a dataset says it was recorded in.

    Attributes:
        id: its id.
        episode_length: the limit of its episodes, or None.
    """

    id: str
    episode_length: int | None


def read_outcomes(dataset: Dataset, limit: int) -> dict[str, Column]:
    """Return statistics of the rewards and of success by their names in the files.

    Args:
        dataset: what to read.
        limit: at most so many arrays of a name are read.
    """
    found: dict[str, Column] = {}
    counts: dict[str, int] = {}
    try:
        for name, array in _arrays(dataset):
            counts[name] = counts.get(name, 0) + 1
            if counts[name] <= limit:
                _add(found, name, array)
    except (*DAMAGE, DatasetError):  # reading the episodes says what is damaged
        pass
    return found


def recorded_env(dataset: Dataset) -> RecordedEnv | None:
    """Return the environment that Minari's metadata names, or None."""
    for path in dataset.files():
        if path.name == "metadata.json":
            return _from_metadata(path)
    return None


def _from_metadata(path: Path) -> RecordedEnv | None:
    try:
        spec = json.loads(json.loads(path.read_text(encoding="utf-8"))["env_spec"])
        limit = spec.get("max_episode_steps")
        return RecordedEnv(str(spec["id"]), None if limit is None else int(limit))
    except (*DAMAGE, RecursionError):
        return None


def _arrays(dataset: Dataset) -> Iterator[tuple[str, Any]]:
    stored = getattr(dataset, "outcomes", None)  # of formats other than HDF5
    if stored is not None:
        yield from stored(_NAMES)
    for path in dataset.files():
        if path.suffix in SUFFIXES:
            with CheckedFile(path) as file:
                yield from _named(file)


def _named(group: CheckedGroup) -> Iterator[tuple[str, h5py.Dataset]]:
    for name in group:
        member: Any = group[name]
        if isinstance(member, CheckedGroup):
            yield from _named(member)
        elif name in _NAMES and member.ndim and member.dtype.kind in "biuf":
            yield name, member


def _add(found: dict[str, Column], name: str, array: Any) -> None:
    column = found.setdefault(name, Column(name, array.dtype, ()))
    for first in range(0, len(array), _BLOCK):
        column.add(np.asarray(array[first : first + _BLOCK]).reshape(-1), keep=0)
