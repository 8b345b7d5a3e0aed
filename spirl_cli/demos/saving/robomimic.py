"""Writes robomimic's HDF5 layout (robomimic's docs, "Dataset Overview"), with `next_obs`, so that no step is lost."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np

from spirl_cli.demos.saving.target import About, SavedEpisode

_GYM = 2  # robomimic's EnvType.GYM_TYPE


class RobomimicWriter:
    """Writes demonstrations into one file; use it as a context manager.

    Args:
        temporary: the file, which gets its final name when it is complete.
        about: environment and bounds.
    """

    def __init__(self, temporary: Path, about: About) -> None:
        self._file = h5py.File(temporary, "w")
        self._data = self._file.create_group("data")
        self._data.attrs["env_args"] = json.dumps({"env_name": about.env, "type": _GYM, "env_kwargs": {}})
        self._data.attrs.update(action_low=about.low, action_high=about.high)
        self._count = self._total = 0

    def __enter__(self) -> RobomimicWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, episode: SavedEpisode) -> None:
        """Write an episode as the next demonstration."""
        demo, steps = self._data.create_group(f"demo_{self._count}"), len(episode.actions)
        demo.attrs["num_samples"] = steps
        demo["actions"] = episode.actions
        if episode.rewards is not None:
            demo["rewards"] = episode.rewards
        demo["dones"] = (np.arange(steps) == steps - 1).astype(np.int64)
        for name, array in episode.observations.items():
            demo[f"obs/{name}"], demo[f"next_obs/{name}"] = array[:-1], array[1:]
        self._count += 1
        self._total += steps

    def finish(self) -> None:
        """Write the number of all steps."""
        self._data.attrs["total"] = self._total
