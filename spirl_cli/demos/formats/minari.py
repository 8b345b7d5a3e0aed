"""Minari datasets on this machine.

The folder of datasets is ``MINARI_DATASETS_PATH``, else ``~/.minari/datasets``, as for Minari
itself. Minari is imported when spaces or data are read; finding and counting do without.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spirl_cli.demos.dataset import Contents, StoredEpisode
from spirl_cli.errors import DatasetError

if TYPE_CHECKING:
    from minari import MinariDataset


def datasets_folder() -> Path:
    """Return the folder in which Minari keeps its datasets; it may not exist."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def local_datasets() -> list[str]:
    """Return the ids of the Minari datasets on this machine, sorted."""
    root = datasets_folder()
    if not root.is_dir():
        return []
    found = (path.parent.parent.relative_to(root) for path in root.rglob("data/metadata.json"))
    return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


def is_local(dataset_id: str) -> bool:
    """Say whether a dataset of this id is on this machine."""
    return (datasets_folder() / dataset_id / "data" / "metadata.json").is_file()


class MinariFolder:
    """A local Minari dataset, read one episode at a time.

    Args:
        dataset_id: such as ``D4RL/kitchen/mixed-v2``.
    """

    kind = "minari"

    def __init__(self, dataset_id: str) -> None:
        self.name = dataset_id
        self._data = datasets_folder() / dataset_id / "data"
        self._opened: MinariDataset | None = None

    def files(self) -> list[Path]:
        """Return the files of the dataset, its metadata included."""
        return sorted(path for path in self._data.rglob("*") if path.is_file())

    def contents(self) -> Contents:
        """Return what the metadata says.

        Raises:
            DatasetError: the metadata is damaged.
        """
        try:
            metadata = json.loads((self._data / "metadata.json").read_text(encoding="utf-8"))
            return Contents(int(metadata["total_episodes"]), int(metadata["total_steps"]))
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(error) from error

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of the action space.

        Raises:
            DatasetError: the space is not a Box of one axis.
        """
        space = self._action_space()
        return np.asarray(space.low, np.float32), np.asarray(space.high, np.float32)

    def action_dim(self) -> int:
        """Return the size A of an action; raises as :meth:`action_bounds`."""
        return int(self._action_space().shape[0])

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes; memory holds one of them."""
        for episode in self._dataset().iterate_episodes():
            yield StoredEpisode(int(episode.id), episode.observations, np.asarray(episode.actions))

    def _action_space(self) -> Any:
        from gymnasium.spaces import Box

        space = self._dataset().action_space
        if not isinstance(space, Box):
            raise DatasetError(
                f"minari:{self.name}: its actions are {space}, not continuous",
                "skills need a Box action space: choose another dataset with --set extract.dataset=ID",
            )
        if len(space.shape) != 1:
            raise DatasetError(f"minari:{self.name}: its actions have shape {space.shape}; one axis is expected")
        return space

    def _dataset(self) -> MinariDataset:
        if self._opened is None:
            import minari

            try:
                self._opened = minari.MinariDataset(self._data)
            except (OSError, ValueError, KeyError, AssertionError, ImportError) as error:
                raise self._damaged(error) from error
        return self._opened

    def _damaged(self, error: Exception) -> DatasetError:
        return DatasetError(
            f"minari:{self.name}: the local copy in {self._data} cannot be read: {error}",
            f"if it came from the hub: move that folder elsewhere and run `minari download {self.name}`; "
            "recordings of your own may need an optional library (pip install 'minari[arrow]') or a backup",
        )
