"""The interface of sources of trajectories, before anything is selected or checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class StoredEpisode:
    """One episode as it is stored.

    Attributes:
        number: position in the dataset, counted from 0.
        observations: array, (nested) mapping of arrays or open HDF5 group; the first axis has T+1 entries.
        actions: array that should have shape (T, A); not checked yet.
        scene: scene that images are drawn from (see `Episode`), or None.
    """

    number: int
    observations: Any
    actions: np.ndarray
    scene: np.ndarray | None = None


@dataclass(frozen=True)
class Contents:
    """Size of a dataset: the numbers of its episodes and steps."""

    episodes: int
    steps: int


class Episodes(Protocol):
    """Episodes that can be read on this computer."""

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return (low, high), (A,) each, or None if the dataset does not store them.

        Raises:
            DatasetError: the actions are not continuous.
        """
        ...

    def action_dim(self) -> int:
        """Return the size A of an action."""
        ...

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes in order; each is valid until the next one is asked for."""
        ...


class Dataset(Episodes, Protocol):
    """A recorded dataset in a file format.

    Attributes:
        kind: ``minari`` or ``hdf5``.
        name: name in the recipe.
    """

    kind: str
    name: str

    def files(self) -> list[Path]:
        """Return all files of the dataset, sorted."""
        ...

    def contents(self) -> Contents:
        """Count episodes and steps, without reading the data."""
        ...
