"""Minari datasets on this machine, in its HDF5, Arrow or Parquet layout.

The folder of datasets is ``MINARI_DATASETS_PATH``, else ``~/.minari/datasets``, as for Minari
itself. Minari is imported when spaces or data are read; finding and counting do without.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spirl_cli.demos.dataset import Contents, StoredEpisode
from spirl_cli.demos.formats.checked_hdf5 import CheckedFile
from spirl_cli.demos.formats.checks import DAMAGE, guarded, load_extra, refuse_hollow
from spirl_cli.demos.formats.minari_arrow import FORMATS as ARROW_FORMATS
from spirl_cli.demos.formats.minari_arrow import read_arrow_episodes, read_arrow_rewards
from spirl_cli.demos.formats.minari_hdf5 import FILE as HDF5_FILE
from spirl_cli.demos.formats.minari_hdf5 import read_hdf5_episode
from spirl_cli.errors import DatasetError
from spirl_cli.files import expanded

if TYPE_CHECKING:
    from minari import MinariDataset


def datasets_folder() -> Path:
    """Return the folder in which Minari keeps its datasets; it may not exist."""
    return expanded(os.environ.get("MINARI_DATASETS_PATH") or "~/.minari/datasets")


def require_datasets_folder() -> Path:
    """Return the folder of datasets, to write to.

    Raises:
        DatasetError: this user has none.
    """
    folder = datasets_folder()
    if str(folder).startswith("~"):
        raise DatasetError("there is no home folder for datasets", "set MINARI_DATASETS_PATH to a folder for them")
    return folder


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
        dataset_id: such as ``D4RL/kitchen/mixed-v2``; what messages call it.
        data: the folder with its ``metadata.json``; None looks for the id among the local datasets.
    """

    kind = "minari"

    def __init__(self, dataset_id: str, data: Path | None = None) -> None:
        self.name = dataset_id
        self._data = datasets_folder() / dataset_id / "data" if data is None else data
        self._opened: MinariDataset | None = None
        self._without_last: list[int] = []  # episodes that lack their last observation

    def files(self) -> list[Path]:
        """Return the files of the dataset, its metadata included; those that macOS adds are left out."""
        return sorted(path for path in self._data.rglob("*") if path.is_file() and not path.name.startswith("._"))

    def contents(self) -> Contents:
        """Return what the metadata says.

        Raises:
            DatasetError: the metadata is damaged.
        """
        metadata = self._metadata()
        try:
            contents = Contents(int(metadata["total_episodes"]), int(metadata["total_steps"]))
        except DAMAGE as error:
            raise self._damaged(error) from error
        # Minari makes lists of all episodes, of which each takes some bytes
        refuse_hollow(
            f"{self._where}: its metadata", contents.episodes, sum(path.stat().st_size for path in self.files())
        )
        return contents

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

    def outcomes(self, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield the rewards of every episode in the Arrow layouts; those in HDF5 are found as in any such file."""
        if self._layout() in ARROW_FORMATS and "rewards" in names:
            episodes = read_arrow_rewards(self._data, self._layout(), self.contents().episodes, self._where)
            yield from (("rewards", rewards) for rewards in episodes)

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes; memory holds one of them.

        Where the last observation of an episode is missing, its last action is dropped.
        """
        self._without_last = []
        for episode in guarded(self._where, self._stored()):
            actions = episode.actions
            if len(actions) and _rows(episode.observations) == len(actions):
                self._without_last.append(episode.number)
                actions = actions[:-1]
            yield replace(episode, actions=actions)

    @property
    def notes(self) -> list[str]:
        """Return sentences on what was found and mended."""
        if not self._without_last:
            return []
        return [
            f"{self._where}: {len(self._without_last)} episodes lack their last observation, the first is episode "
            f"{self._without_last[0]}; the last action of each is left out"
        ]

    def _stored(self) -> Iterator[StoredEpisode]:
        dataset, layout = self._dataset(), self._layout()
        if layout in ARROW_FORMATS:
            spaces = (dataset.observation_space, dataset.action_space)
            yield from read_arrow_episodes(self._data, layout, self.contents().episodes, self._where, spaces)
        else:
            # by this reader and not by Minari, which follows links to other files and reads whole episodes
            with CheckedFile(self._data / HDF5_FILE) as file:
                for number in range(self.contents().episodes):
                    yield read_hdf5_episode(file, number, dataset.observation_space)

    @property
    def _where(self) -> str:
        return f"minari:{self.name}"

    def _action_space(self) -> Any:
        from gymnasium.spaces import Box

        space = self._dataset().action_space
        if not isinstance(space, Box):
            raise DatasetError(
                f"{self._where}: its actions are {space}, not continuous",
                "skills need a Box action space: choose another dataset with --set extract.dataset=ID",
            )
        if len(space.shape) != 1:
            raise DatasetError(f"{self._where}: its actions have shape {space.shape}; one axis is expected")
        return space

    def _dataset(self) -> MinariDataset:
        if self._opened is None:
            if self._layout() in ARROW_FORMATS:
                load_extra("pyarrow.dataset", "arrow", f"{self._where}, in Minari's {self._layout()} layout,")
            import minari

            self.contents()
            try:
                self._refuse_hollow_spaces()
                self._opened = minari.MinariDataset(self._data)
            except (*DAMAGE, AssertionError, ImportError) as error:
                raise self._damaged(error) from error
        return self._opened

    def _refuse_hollow_spaces(self) -> None:
        """Refuse spaces of far more numbers than the metadata hold, before Minari makes their bounds."""
        for name in ("observation_space", "action_space"):
            text = str(self._metadata().get(name))
            for size in _sizes(json.loads(text) if text.startswith("{") else None):
                refuse_hollow(f"{self._where}: `{name}`", size, len(text))

    def _layout(self) -> str:
        """Return how the data are stored; datasets of before 0.5 do not say, and are HDF5."""
        return str(self._metadata().get("data_format", "hdf5"))

    def _metadata(self) -> dict[str, Any]:
        try:
            metadata = json.loads((self._data / "metadata.json").read_text(encoding="utf-8"))
            return dict(metadata)
        except DAMAGE as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DatasetError:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        return DatasetError(
            f"{self._where}: the files in {self._data} cannot be read: {reason}",
            f"if it was downloaded, move that folder aside and run `minari download {self.name}`; if it is your own, "
            "copy it again from where it was recorded",
        )


def _sizes(space: Any) -> Iterator[int]:
    """Yield the numbers in each space of nested ones, as the metadata describe them."""
    for part in space.values() if isinstance(space, dict) else space if isinstance(space, list) else ():
        yield from _sizes(part)
    if isinstance(space, dict) and isinstance(space.get("shape"), list):
        yield math.prod(int(size) for size in space["shape"])


def _rows(observations: Any) -> int:
    """Return the number of states: rows of the first array in nested observations."""
    while isinstance(observations, Mapping | tuple):
        observations = next(iter(observations.values() if isinstance(observations, Mapping) else observations))
    return len(observations)
