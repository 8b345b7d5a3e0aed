"""Episodes to be saved, and the writer for a target."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from spirl_cli.errors import UsageError
from spirl_cli.files import make_folder, publish_folder, written_whole

Format = Literal["minari", "robomimic", "lerobot"]
_HDF5 = (".hdf5", ".h5")
USUAL_FPS = 30.0  # where an environment does not say its own
STATE = "state"  # what observations without a name are called


@dataclass(frozen=True)
class SavedEpisode:
    """An episode of T steps.

    Attributes:
        observations: arrays `(T+1, ...)` by name; names of nested ones have slashes.
        actions: `(T, A)`.
        rewards: `(T,)`, or None where nobody knows them.
    """

    observations: Mapping[str, np.ndarray]
    actions: np.ndarray
    rewards: np.ndarray | None


@dataclass(frozen=True)
class About:
    """What the files say about all episodes.

    Attributes:
        env: id of the environment.
        fps: steps per second.
        low, high: bounds of the actions, `(A,)`.
    """

    env: str
    fps: float
    low: np.ndarray
    high: np.ndarray


class EpisodeWriter(Protocol):
    """Writes episodes one after the other."""

    def add(self, episode: SavedEpisode) -> None:
        """Write an episode."""
        ...

    def finish(self) -> None:
        """Write what describes all episodes."""
        ...


def format_of(target: str, chosen: Format | None) -> Format:
    """Return the format of a target: the chosen one, else robomimic for an HDF5 file and Minari for an id."""
    return chosen or ("robomimic" if target.endswith(_HDF5) else "minari")


def check_target(target: str, format: Format) -> None:
    """Refuse a file or folder that cannot be written, before hours are spent.

    Raises:
        UsageError: it exists, or its name does not go with the format.
        DatasetError: a library is missing.
    """
    from spirl_cli.demos.formats.checks import load_extra

    if format == "robomimic" and not target.endswith(_HDF5):
        raise UsageError(f"'{target}' is no name of a robomimic file", f"end it with {' or '.join(_HDF5)}")
    if format == "lerobot" and target.endswith(_HDF5):
        raise UsageError(f"'{target}' is a file, but a LeRobotDataset is a folder", "name a folder")
    if Path(target).exists():
        raise UsageError(f"there is something at '{target}' already", "choose another name")
    if format == "lerobot":
        load_extra("pyarrow.parquet", "lerobot", f"{target}: a LeRobotDataset")


@contextmanager
def opened_target(target: str, format: Format, about: About) -> Iterator[EpisodeWriter]:
    """Open a file or folder for episodes; it appears when all were written, and not at all after an error."""
    writer: EpisodeWriter
    if format == "minari":
        from spirl_cli.demos.saving.minari import MinariWriter

        writer = MinariWriter(target, about)
        yield writer
        return writer.finish()
    path = Path(target).absolute()
    make_folder(path.parent)
    if format == "robomimic":
        from spirl_cli.demos.saving.robomimic import RobomimicWriter

        with written_whole(path) as temporary, RobomimicWriter(temporary, about) as writer:
            yield writer
            writer.finish()
        return None
    from spirl_cli.demos.saving.lerobot import LeRobotWriter

    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as parent:
        folder = Path(parent) / path.name
        with LeRobotWriter(folder, about) as writer:
            yield writer
            writer.finish()
        publish_folder(folder, path)


def named_arrays(observations: Any, name: str = "") -> dict[str, np.ndarray]:
    """Return the arrays of (nested) observations by name; a plain array is called `state`."""
    if isinstance(observations, Mapping):
        children = dict(observations)
    elif isinstance(observations, tuple):
        children = {str(place): child for place, child in enumerate(observations)}
    else:
        return {name or STATE: np.asarray(observations)}
    found: dict[str, np.ndarray] = {}
    for key, child in children.items():
        found |= named_arrays(child, f"{name}/{key}" if name else str(key))
    return found
