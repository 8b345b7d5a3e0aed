"""Trajectories in HDF5 files: one D4RL file, or a folder with a file per episode.

**D4RL file**: flat arrays over all steps; `spirl_cli.demos.formats.flat` describes them.

**Folder of rollouts**: every ``*.hdf5`` or ``*.h5`` file is one episode of T steps, in the order
of their names (so pad numbers with zeros), with ``observations`` and ``actions`` (T, A).
``observations`` has T+1 rows, the last state included: an array, or a group of arrays (nested
groups too) that the recipe selects from by key. Anything else in a file is ignored, hidden files
(such as the ``._*`` of macOS) are passed over.

In both, the attributes ``action_low`` and ``action_high`` (a number or A numbers) of the (first)
file give the bounds of the actions; without them the recipe must (``extract.action_bounds``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spirl_cli.demos.dataset import Contents, StoredEpisode
from spirl_cli.demos.formats.checked_hdf5 import CheckedFile, CheckedGroup
from spirl_cli.demos.formats.checks import action_size, damage_refused, guarded, stored_bounds
from spirl_cli.demos.formats.flat import FLAGS, INFOS, FlatEpisodes, LazyArrays
from spirl_cli.demos.score import outcome
from spirl_cli.errors import DatasetError
from spirl_cli.files import expanded

SUFFIXES = (".hdf5", ".h5")
BOUND_TOLERANCE = 1e-5  # relative, since files may store them rounded


class FlatFile:
    """A D4RL HDF5 file; see the module for its layout.

    Attributes:
        notes: what was found and mended, as sentences.
    """

    kind = "hdf5"

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = expanded(name)
        self._flat = FlatEpisodes(name, self._arrays)
        self.notes = self._flat.notes

    def files(self) -> list[Path]:
        """Return the file itself."""
        return [self._path]

    def contents(self) -> Contents:
        """Count episodes and steps from the end-of-episode flags."""
        with damage_refused(self.name):
            return self._flat.contents()

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the bounds in the file's attributes, or None."""
        return _bounds(self._path)

    def action_dim(self) -> int:
        """Return the size A of an action."""
        return _action_dim(self._path)

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes; memory holds one of them."""
        return guarded(self.name, self._flat.episodes())

    @contextmanager
    def _arrays(self) -> Iterator[Mapping[str, Any]]:
        with CheckedFile(self._path) as file:
            for name in ("observations", "actions"):
                file.array(name)
            known = {"next_observations", *FLAGS}
            names = [name for name in file if name in known or file.has_array(name)]
            infos = file[INFOS] if INFOS in file else None
            if isinstance(infos, CheckedGroup):
                names += [f"{INFOS}/{name}" for name in infos if infos.has_array(name)]
            yield LazyArrays(names, partial(_array, file))


class RolloutFolder:
    """A folder with one HDF5 file per episode; see the module for the layout.

    Attributes:
        notes: what was found and mended, as sentences.
    """

    kind = "hdf5"

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self._path = expanded(name)

    def files(self) -> list[Path]:
        """Return the episodes' files in order.

        Raises:
            DatasetError: there are none.
        """
        files = hdf5_files(self._path)
        if not files:
            raise DatasetError(f"{self.name}: this folder holds no {' or '.join('*' + end for end in SUFFIXES)} file")
        return files

    def contents(self) -> Contents:
        """Count the files and their actions."""
        steps = 0
        for path in self.files():
            with CheckedFile(path) as file:
                steps += len(file.array("actions"))
        return Contents(len(self.files()), steps)

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the bounds in the attributes of the files, or None.

        Raises:
            DatasetError: two files have different ones.
        """
        files = self.files()
        first = _bounds(files[0])
        for path in files[1:]:
            other = _bounds(path)
            if first is not None and other is not None and not np.allclose(first, other, rtol=BOUND_TOLERANCE, atol=0):
                raise DatasetError(
                    f"{path} has the action bounds {_shown(other)}, {files[0].name} has {_shown(first)}: actions do "
                    "not mean the same in both",
                    "put files of one environment into a folder; bounds that are wrong in the files are given with "
                    "--set 'extract.action_bounds=[LOW, HIGH]'",
                )
        return first

    def action_dim(self) -> int:
        """Return the size A of an action in the first file."""
        return _action_dim(self.files()[0])

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes; memory holds one of them."""
        for number, path in enumerate(self.files()):
            with CheckedFile(path) as file:
                yield from guarded(f"{path} (episode {number})", _rollout(number, file))


def _array(file: CheckedFile, name: str) -> Any:
    """Return an array of a file, or of its group `infos`."""
    group, slash, below = name.partition("/")
    return file.member(group).array(below) if slash else file.array(name)


def _shown(bounds: tuple[np.ndarray, np.ndarray]) -> str:
    return " to ".join(", ".join(f"{number:g}" for number in bound) for bound in bounds)


def hdf5_files(folder: Path) -> list[Path]:
    """Return the files of a folder that are called as HDF5 files are, hidden ones left out, sorted."""
    found = (path for path in folder.iterdir() if path.suffix in SUFFIXES and not path.name.startswith("."))
    return sorted(path for path in found if path.is_file())


def _rollout(number: int, file: CheckedFile) -> Iterator[StoredEpisode]:
    actions = file.array("actions")[()]
    yield StoredEpisode(number, file.member("observations"), actions, **outcome(file, len(actions)))


def _action_dim(path: Path) -> int:
    with CheckedFile(path) as file:
        actions = file.array("actions")
        return action_size(str(path), actions.shape, actions.dtype)


def _bounds(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    with CheckedFile(path) as file:
        actions = file.array("actions")
        return stored_bounds(str(path), file.attributes, action_size(str(path), actions.shape, actions.dtype))
