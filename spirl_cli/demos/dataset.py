"""What every source of trajectories offers before anything is selected or checked."""

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
        observations: array, (nested) mapping of arrays or open HDF5 group, T+1 along the first axis.
        actions: array of shape (T, A) if the dataset is right; not yet checked.
        scene: what images are drawn from together with a state (see `Episode`), or None.
    """

    number: int
    observations: Any
    actions: np.ndarray
    scene: np.ndarray | None = None


@dataclass(frozen=True)
class Contents:
    """Size of a dataset: numbers of episodes and of steps."""

    episodes: int
    steps: int


class Episodes(Protocol):
    """Episodes on this machine."""

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return (low, high), (A,) each, or None if the dataset does not say.

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
    """A dataset that somebody else made.

    Attributes:
        kind: name of the format: ``minari``, ``hdf5``, ``robomimic``, ``ogbench``, ``lerobot`` or ``zarr``.
        name: what the recipe calls it.
    """

    kind: str
    name: str

    @property
    def notes(self) -> list[str]:
        """Return sentences on what was found and mended; complete once the last episode was yielded."""
        ...

    def files(self) -> list[Path]:
        """Return all files that make up the dataset, sorted."""
        ...

    def contents(self) -> Contents:
        """Count episodes and steps, without reading the data."""
        ...
