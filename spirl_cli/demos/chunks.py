"""Files of generated episodes, which exist until the clips are written.

Layout of an HDF5 file of n episodes of T_e steps::

    lengths       int64 (n,)        steps T_e
    observations  float32 (…, D)    the T_e + 1 states of every episode, one after the other
    actions       float32 (…, A)    the T_e actions of every episode
    scenes        bool (n, …)       one scene per episode, such as the layout of a maze; may be missing
    attempts      int64 (n,)        number of attempts for each episode, the kept one included

The name of a file tells the numbers of its episodes. A file is renamed into place when it is complete, so that an
existing file never has to be made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from spirl_cli.demos.dataset import StoredEpisode
from spirl_cli.domains.domain import GeneratedEpisode, Generator
from spirl_cli.seals import written_sealed


def chunks(generator: Generator, folder: Path) -> dict[Path, range]:
    """Return the file of every chunk and the numbers of its episodes, in order."""
    firsts = range(0, generator.episodes, generator.chunk)
    numbers = (range(first, min(first + generator.chunk, generator.episodes)) for first in firsts)
    return {chunk_path(folder, one): one for one in numbers}


def chunk_path(folder: Path, numbers: range) -> Path:
    """Return the file of the episodes with these numbers."""
    return folder / f"episodes-{numbers.start:07}-{numbers.stop:07}.hdf5"


def write_chunk(path: Path, episodes: Sequence[GeneratedEpisode]) -> None:
    """Write episodes to a file that appears only when it is complete."""
    with written_sealed(path) as temporary, h5py.File(temporary, "w") as file:
        file["lengths"] = np.array([len(episode.actions) for episode in episodes], np.int64)
        file["observations"] = np.concatenate([episode.observations for episode in episodes])
        file["actions"] = np.concatenate([episode.actions for episode in episodes])
        file["attempts"] = np.array([episode.attempts for episode in episodes], np.int64)
        scenes = [episode.scene for episode in episodes if episode.scene is not None]
        if scenes:
            file["scenes"] = np.stack(scenes)


def read_chunk(path: Path, first: int) -> Iterator[StoredEpisode]:
    """Yield the episodes of a file, their states under the key `state`.

    Args:
        path: the file.
        first: number of its first episode.

    Raises:
        OSError, KeyError: the file is damaged.
    """
    with h5py.File(path, "r") as file:
        observations, actions = file["observations"][()], file["actions"][()]
        scenes = file["scenes"][()] if "scenes" in file else None
        ends = np.cumsum(file["lengths"][()])  # first row of actions of each episode
    for index, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        states = observations[begin + index : end + index + 1]  # observations have one row more per episode
        scene = None if scenes is None else scenes[index]
        yield StoredEpisode(first + index, {"state": states}, actions[begin:end], scene)


def count_attempts(path: Path) -> int:
    """Return the number of attempts for all episodes of a file.

    Raises:
        OSError, KeyError: the file is damaged.
    """
    with h5py.File(path, "r") as file:
        return int(file["attempts"][()].sum())
