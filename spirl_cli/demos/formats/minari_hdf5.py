"""Minari's HDF5 layout: one file with a group `episode_N` for each episode, arrays of which are read when asked for.

Observations that are dictionaries are groups, tuples are groups with members `_index_0`, `_index_1` and so on. Images
may be JPEG files, one row of bytes each.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from spirl_cli.demos.dataset import StoredEpisode
from spirl_cli.demos.formats.checked_hdf5 import CheckedFile, CheckedGroup
from spirl_cli.demos.formats.pictures import decoded_pictures
from spirl_cli.demos.score import SUCCESS, outcome
from spirl_cli.errors import DatasetError

FILE = "main_data.hdf5"


def read_hdf5_episode(file: CheckedFile, number: int, space: Any) -> StoredEpisode:
    """Return an episode; its large arrays are read when they are sliced.

    Args:
        file: the open file.
        number: of the episode.
        space: observation space, by which tuples are told from dictionaries.

    Raises:
        DatasetError: the episode is missing, or lies in another file.
    """
    episode = file.member(f"episode_{number}")
    if not isinstance(episode, CheckedGroup):
        raise DatasetError(f"{file.where}: `episode_{number}` is not a group")
    observations = _decoded(f"{file.where}: episode {number}", space, episode.member("observations"))
    actions = np.asarray(episode.array("actions"))
    return StoredEpisode(number, observations, actions, **outcome(_told(episode), len(actions)))


def _told(episode: CheckedGroup) -> dict[str, Any]:
    """Return the arrays that may hold rewards and success."""
    infos = episode["infos"] if "infos" in episode else None
    found = {name: infos[name] for name in SUCCESS if isinstance(infos, CheckedGroup) and infos.has_array(name)}
    return {**found, "rewards": episode["rewards"]} if episode.has_array("rewards") else found


def _decoded(where: str, space: Any, member: Any) -> Any:
    from gymnasium.spaces import Dict, Tuple

    if isinstance(space, Dict):
        return {name: _decoded(where, space.spaces[name], member[name]) for name in member}
    if isinstance(space, Tuple):
        return tuple(_decoded(where, below, member[f"_index_{i}"]) for i, below in enumerate(space.spaces))
    if not isinstance(member, h5py.Dataset):
        raise DatasetError(f"{where}: there is a group where an array is expected")
    if len(space.shape or ()) >= 2 and member.ndim <= 2:  # a row of bytes where an image is expected
        return decoded_pictures([np.asarray(data, np.uint8).tobytes() for data in member[()]], where)
    return member
