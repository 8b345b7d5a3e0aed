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
        actions: array that should have shape `(T, A)`; not checked yet.
        scene: scene that images are drawn from (see `Episode`), or None.
        rewards: rewards of its steps, not checked; None if the dataset has none.
        success: whether it succeeds, of its steps or once, not checked; None if the dataset does not say.
    """

    number: int
    observations: Any
    actions: np.ndarray
    scene: np.ndarray | None = None
    rewards: Any = None
    success: Any = None


@dataclass(frozen=True)
class Contents:
    """Size of a dataset: the numbers of its episodes and steps.

    Raises:
        ValueError: a number is negative, as only a description that is wrong says.
    """

    episodes: int
    steps: int

    def __post_init__(self) -> None:
        if min(self.episodes, self.steps) < 0:
            raise ValueError(f"it is said to have {self.episodes} episodes and {self.steps} steps")


class Episodes(Protocol):
    """Episodes that can be read on this computer."""

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return (low, high), `(A,)` each, or None if the dataset does not store them.

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
        kind: name of the format: `minari`, `hdf5`, `robomimic`, `ogbench`, `lerobot` or `zarr`.
        name: what the recipe calls it.
    """

    kind: str
    name: str

    @property
    def notes(self) -> list[str]:
        """Return sentences on what was found and mended; complete once the last episode was yielded."""
        ...

    def files(self) -> list[Path]:
        """Return all files of the dataset, sorted."""
        ...

    def contents(self) -> Contents:
        """Count episodes and steps, without reading the data."""
        ...
