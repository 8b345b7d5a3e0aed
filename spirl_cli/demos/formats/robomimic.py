"""Trajectories in a robomimic HDF5 file, as LIBERO, robocasa and MimicGen write them too.

``data/demo_i`` holds the ``actions`` (N, A) of a demonstration, ``obs/<key>`` (N, …) and perhaps
``next_obs/<key>`` (N, …), whose last row is then the final observation; without it the last action
is dropped. Demonstrations are in the order of their numbers. ``mask/<name>`` lists the names of some
of them (a filter key, such as ``train``).

The format has no bounds of the actions; the attributes ``action_low`` and ``action_high`` of the
file or of ``data`` are read if somebody wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spirl_cli.demos.dataset import Contents, StoredEpisode
from spirl_cli.demos.formats.checked_hdf5 import CheckedFile, CheckedGroup
from spirl_cli.demos.formats.checks import action_size, damage_refused, guarded, stored_bounds
from spirl_cli.demos.score import outcome
from spirl_cli.errors import DatasetError, did_you_mean
from spirl_cli.files import expanded

_DEMO = re.compile(r"demo_(\d+)")


class RobomimicFile:
    """A robomimic HDF5 file; see the module for its layout.

    Args:
        name: path of the file.
        filter_key: name of a mask; None takes all demonstrations.
    """

    kind = "robomimic"

    def __init__(self, name: str, filter_key: str | None = None) -> None:
        self.name = name
        self._path = expanded(name)
        self._filter = filter_key
        self._without_next = 0  # demonstrations
        self._masks: list[str] = []

    def files(self) -> list[Path]:
        """Return the file itself."""
        return [self._path]

    def contents(self) -> Contents:
        """Count the demonstrations and the steps that have a next observation."""
        with CheckedFile(self._path) as file, damage_refused(self._where):
            demos = [_Demo(self._where, name, group) for name, group in self._demos(file)]
            return Contents(len(demos), sum(demo.steps for demo in demos))

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the bounds in the attributes, or None."""
        size = self.action_dim()
        with CheckedFile(self._path) as file:
            for group in (file, file.member("data")):
                bounds = stored_bounds(self._where, group.attributes, size)
                if bounds is not None:
                    return bounds
        return None

    def action_dim(self) -> int:
        """Return the size A of an action in the first demonstration."""
        with CheckedFile(self._path) as file:
            for name, demo in self._demos(file):
                actions = demo.array("actions")
                return action_size(f"{self._where}: {name}", actions.shape, actions.dtype)
        raise DatasetError(f"{self._where}: there is no demonstration")

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the demonstrations; memory holds one of them."""
        return guarded(self._where, self._read())

    @property
    def notes(self) -> list[str]:
        """Return sentences on what was found and mended."""
        notes = []
        if self._without_next:
            notes.append(
                f"{self._where}: {self._without_next} demonstrations have no final observation (`next_obs`), so the "
                "last action of each is left out"
            )
        if self._masks and self._filter is None:
            notes.append(f"{self._where}: all demonstrations are used; it also has the masks {', '.join(self._masks)}")
        return notes

    @property
    def selection(self) -> str | None:
        """Which part of the file is read, if not all of it."""
        return self._filter

    @property
    def _where(self) -> str:
        return f"robomimic file {self.name}"

    def _read(self) -> Iterator[StoredEpisode]:
        with CheckedFile(self._path) as file:
            self._masks, self._without_next = list(file["mask"]) if "mask" in file else [], 0
            for number, (name, group) in enumerate(self._demos(file)):
                demo = _Demo(self._where, name, group)
                self._without_next += not demo.complete
                yield StoredEpisode(number, demo.observations(), demo.actions(), **outcome(group, demo.rows))

    def _demos(self, file: CheckedFile) -> list[tuple[str, CheckedGroup]]:
        """Return the chosen demonstrations in the order of their numbers."""
        data = file.member("data")
        if not isinstance(data, CheckedGroup):
            raise DatasetError(f"{self._where}: `data` is not a group")
        numbers = {name: int(match[1]) for name in data if (match := _DEMO.fullmatch(name))}
        others = sorted(set(data) - set(numbers))
        if others:
            raise DatasetError(
                f"{self._where}: `data` holds {', '.join(others[:5])} among the demonstrations",
                "demonstrations are called demo_0, demo_1, …: rename those that are",
            )
        chosen = set(numbers) if self._filter is None else self._masked(file, set(numbers))
        return [(name, _group(self._where, data, name)) for name in sorted(chosen, key=numbers.__getitem__)]

    def _masked(self, file: CheckedFile, known: set[str]) -> set[str]:
        """Return the names that the filter key lists."""
        masks = file["mask"] if "mask" in file else {}
        if self._filter not in masks:
            raise DatasetError(
                f"{self._where} has no mask '{self._filter}'.{did_you_mean(str(self._filter), masks)}",
                f"its masks are: {', '.join(masks) or 'none'}",
            )
        names = {name.decode() if isinstance(name, bytes) else str(name) for name in masks[self._filter][()]}
        missing = sorted(names - known)
        if missing:
            raise DatasetError(
                f"{self._where}: the mask '{self._filter}' lists {', '.join(missing[:5])}, which `data` does not hold"
            )
        return names


class _Demo:
    """One demonstration, its arrays checked against each other.

    Attributes:
        complete: whether the final observation is stored.
        steps: number of actions that have a next observation.
    """

    def __init__(self, where: str, name: str, group: CheckedGroup) -> None:
        self._where, self._group = f"{where}: {name}", group
        if "obs" not in group:
            raise DatasetError(
                f"{self._where} has no `obs`: this is a raw recording of simulator states",
                "make observations of it with robomimic's scripts/dataset_states_to_obs.py and name the file that it "
                "writes",
            )
        rows = len(group.array("actions"))
        self._obs = _group(self._where, group, "obs")
        self._next = _group(self._where, group, "next_obs") if "next_obs" in group else None
        self.rows = rows
        self.complete = self._next is not None and set(self._next) >= set(self._obs)
        self.steps = rows if self.complete else max(rows - 1, 0)
        self._check_rows(rows)

    def observations(self) -> Mapping[str, Any]:
        """Return the observations, (steps + 1, …) each, read when a key is asked for."""
        return _Observations(self._obs, self._next if self.complete else None)

    def actions(self) -> np.ndarray:
        """Return the actions that have a next observation, (steps, A)."""
        return np.asarray(self._group.array("actions")[: self.steps])

    def _check_rows(self, rows: int) -> None:
        declared = int(self._group.attributes.get("num_samples", rows))
        if declared != rows:
            raise DatasetError(f"{self._where}: the attribute num_samples is {declared}, but there are {rows} actions")
        for group in (self._obs, self._next):
            for name, observed in _lengths(group or {}):
                if observed != rows:
                    raise DatasetError(
                        f"{self._where}: {name} has {observed} rows, but there are {rows} actions",
                        "robomimic stores one observation per action, and the one after it in `next_obs`",
                    )


class _Observations(Mapping[str, Any]):
    """The observations of a demonstration with the final one appended, read key by key."""

    def __init__(self, obs: CheckedGroup, following: CheckedGroup | None) -> None:
        self._obs, self._following = obs, following

    def __iter__(self) -> Iterator[str]:
        return iter(self._obs)

    def __len__(self) -> int:
        return len(self._obs)

    def __getitem__(self, name: str) -> Any:
        """Return an array (T+1, …), or a mapping of arrays."""
        here = self._obs[name]
        after = None if self._following is None else self._following[name]
        if isinstance(here, CheckedGroup):
            return _Observations(here, after)
        with damage_refused(f"{self._obs.where}/{name}"):
            return here if after is None else _Followed(here, after)


class _Followed:
    """An array of a file with the last row of another one after it, read when it is sliced."""

    def __init__(self, here: h5py.Dataset, after: h5py.Dataset) -> None:
        self._here, self._after = here, after
        self.shape, self.dtype = (len(here) + 1, *here.shape[1:]), here.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return successive rows."""
        first, stop, _ = rows.indices(len(self))
        own = self._here[first : min(stop, len(self) - 1)]
        return np.concatenate([own, self._after[-1:]]) if stop == len(self) else np.asarray(own)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all rows."""
        return np.asarray(self[:], dtype=dtype)


def _group(where: str, parent: CheckedGroup, name: str) -> CheckedGroup:
    group = parent[name]
    if not isinstance(group, CheckedGroup):
        raise DatasetError(f"{where}: `{name}` is not a group")
    return group


def _lengths(group: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the path and the number of rows of every array below a group."""
    for member in group.values():
        if isinstance(member, h5py.Dataset):
            yield str(member.name), len(member) if member.ndim else 0
        else:
            yield from _lengths(member)
