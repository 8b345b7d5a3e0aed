"""Trajectories in a LeRobotDataset folder, versions 2.1 and 3.0.

Both versions keep one row per frame in parquet files below ``data``: ``action`` and ``observation.*``
as lists of numbers, ``episode_index`` and ``frame_index``. Version 2.1 has a file per episode, 3.0
several episodes in a file. Which rows make up an episode is read from these two columns; what ``meta``
says about it (`spirl_cli.demos.formats.lerobot_meta`) is compared and, where it disagrees, counted.

There is no final observation, so the last action of every episode is dropped. Images and videos are
not read yet; they are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from spirl_cli.demos.dataset import Contents, StoredEpisode
from spirl_cli.demos.formats.checks import (
    DAMAGE,
    action_size,
    damage_refused,
    guarded,
    load_extra,
    refuse_git_lfs,
)
from spirl_cli.demos.formats.lerobot_meta import Feature, parquet_files, read_episodes, read_info
from spirl_cli.errors import DatasetError
from spirl_cli.files import expanded

ACTION = "action"
_PLACES = ("episode_index", "frame_index")
_ROW_GROUPS = 4  # kept in memory, since neighbouring episodes share them


@dataclass(frozen=True)
class Run:
    """Successive rows of one episode in one row group.

    Attributes:
        file: position among the data files.
        group: row group in the file.
        first, stop: rows within the row group.
        frames: int64 (stop - first,), their places in the episode.
    """

    file: int
    group: int
    first: int
    stop: int
    frames: np.ndarray


class LeRobotFolder:
    """A LeRobotDataset folder; see the module for its layout.

    Attributes:
        notes: what was found and mended, as sentences.
    """

    kind = "lerobot"

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self._path = expanded(name)
        self._info = read_info(self._path)
        self._where = f"LeRobot {self._info.version} dataset {name}"
        self._files = parquet_files(self._path, self._info)
        self._known: dict[int, list[Run]] | None = None
        self._columns = lru_cache(maxsize=_ROW_GROUPS)(self._read_columns)
        self._open = lru_cache(maxsize=1)(self._open_file)

    def files(self) -> list[Path]:
        """Return the files below ``meta`` and ``data``, sorted; videos and images are not read, so they are no part."""
        below = (path for part in ("meta", "data") for path in (self._path / part).rglob("*"))
        return sorted(path for path in below if path.is_file() and not path.name.startswith("."))

    def contents(self) -> Contents:
        """Count the episodes and the steps that have a next observation."""
        lengths = [sum(run.stop - run.first for run in runs) for runs in self._episodes().values()]
        return Contents(len(lengths), sum(length - 1 for length in lengths))

    def action_bounds(self) -> None:
        """Return None: the format has no bounds."""
        self.action_dim()

    def action_dim(self) -> int:
        """Return the size A of an action."""
        feature = self._action()
        dtype = np.dtype(feature.dtype) if feature.numeric else feature.dtype
        return action_size(self._where, (0, *(feature.shape or (1,))), dtype)

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes in the order of their indices; memory holds one, and the row groups that it lies in."""
        return guarded(self._where, self._read())

    def _read(self) -> Iterator[StoredEpisode]:
        observed = [feature for feature in self._info.observations() if feature.numeric]
        self._note_unread()
        for number, (index, runs) in enumerate(self._episodes().items()):
            values = self._gather(index, runs, [*observed, self._action()])
            actions = values.pop(ACTION)
            yield StoredEpisode(number, values, actions[:-1])

    def _action(self) -> Feature:
        for feature in self._info.features:
            if feature.name == ACTION:
                return feature
        names = ", ".join(feature.name for feature in self._info.features)
        raise DatasetError(f"{self._where} has no feature `{ACTION}`, only: {names}")

    def _note_unread(self) -> None:
        for kind in ("video", "image"):
            names = [feature.name for feature in self._info.features if feature.dtype == kind]
            if names:
                self.notes.append(f"{self._where}: {len(names)} {kind} features are not read yet: {', '.join(names)}")

    def _episodes(self) -> dict[int, list[Run]]:
        """Return the rows of every episode, by index; read once.

        Raises:
            DatasetError: frames are missing or there twice, or an episode has no rows.
        """
        if self._known is None:
            found: dict[int, list[Run]] = {}
            for number in range(len(self._files)):
                for index, run in self._runs(number):
                    found.setdefault(index, []).append(run)
            episodes = {index: found[index] for index in sorted(found)}
            unordered = sum(_check_frames(self._where, index, runs) for index, runs in episodes.items())
            if unordered:
                self.notes.append(
                    f"{self._where}: the rows of {unordered} episodes are not in order; they were sorted by frame_index"
                )
            self._compare(episodes)
            self._known = episodes
        return self._known

    def _runs(self, number: int) -> Iterator[tuple[int, Run]]:
        """Yield the episodes' indices and rows in a data file, from its columns of places alone."""
        file = self._open(number)
        for group in range(file.num_row_groups):
            with damage_refused(f"{self._where}: {self._files[number]}"):
                table = file.read_row_group(group, columns=list(_PLACES))
                indices, frames = (_whole_numbers(table.column(name)) for name in _PLACES)
            starts = np.flatnonzero(np.diff(indices, prepend=indices[:1] - 1))  # where another episode begins
            for first, stop in zip(starts, [*starts[1:], len(indices)], strict=True):
                yield int(indices[first]), Run(number, group, int(first), int(stop), frames[first:stop])

    def _compare(self, episodes: dict[int, list[Run]]) -> None:
        """Compare the episodes found with what the metadata says.

        The rows are what happened; a wrong boundary in the metadata (conversions have written such) is
        counted. Episodes without rows are refused, since a file is missing then.
        """
        said = read_episodes(self._path, self._info)
        missing = sorted(set(said) - set(episodes)) or list(range(len(episodes), self._info.total_episodes))
        if missing:
            expected = max(len(said), self._info.total_episodes)
            raise DatasetError(
                f"{self._where}: {len(missing)} of {expected} episodes have no rows in data, the first is episode "
                f"{missing[0]}",
                "a data file is missing: copy or download the dataset again",
            )
        wrong, start = [], 0
        for index, runs in episodes.items():
            length = sum(run.stop - run.first for run in runs)
            if index in said and not said[index].agrees(start, length):
                wrong.append(index)
            start += length
        unknown = [index for index in episodes if index not in said]
        for some, what in ((wrong, "boundaries in meta differ from the data"), (unknown, "meta does not list them")):
            if some:
                self.notes.append(
                    f"{self._where}: {len(some)} of {len(episodes)} episodes, first {some[0]}: {what}; "
                    "episode_index and frame_index of the data decide"
                )

    def _gather(self, index: int, runs: list[Run], features: list[Feature]) -> dict[str, np.ndarray]:
        """Return the features of an episode, (T, …) each, in the order of its frames."""
        order = np.argsort(np.concatenate([run.frames for run in runs]), kind="stable")
        result = {}
        for feature in features:
            pieces = [self._columns(run.file, run.group)[feature.name][run.first : run.stop] for run in runs]
            result[feature.name] = np.concatenate(pieces)[order]
        return result

    def _read_columns(self, number: int, group: int) -> dict[str, np.ndarray]:
        """Read the numeric features of a row group, (rows, …) each."""
        features = [feature for feature in self._info.observations() if feature.numeric] + [self._action()]
        where = f"{self._where}: {self._files[number]}"
        file = self._open(number)
        missing = [feature.name for feature in features if feature.name not in file.schema_arrow.names]
        if missing:
            raise DatasetError(f"{where} has no column {', '.join(missing)}, which meta/info.json lists", _RECORD_HINT)
        with damage_refused(where):
            table = file.read_row_group(group, columns=[feature.name for feature in features])
            return {feature.name: self._values(where, feature, table.column(feature.name)) for feature in features}

    def _values(self, where: str, feature: Feature, column: Any) -> np.ndarray:
        """Return a column as an array; lists are flattened, and the shape (1,) is stored as scalars or as lists."""
        rows, array = len(column), column.combine_chunks()
        if array.null_count:
            raise DatasetError(f"{where}: `{feature.name}` has {array.null_count} empty rows", _RECORD_HINT)
        while array.type.num_fields:  # lists of lists
            lengths = array.value_lengths()
            if len(array) and lengths.to_numpy().min() != lengths.to_numpy().max():
                raise DatasetError(f"{where}: the lists in `{feature.name}` are not equally long", _RECORD_HINT)
            array = array.flatten()
        values = np.asarray(array.to_numpy(zero_copy_only=False))
        if values.dtype.kind not in "biuf" or values.size != rows * feature.size:
            raise DatasetError(
                f"{where}: `{feature.name}` holds {values.size} values of type {values.dtype} in {rows} rows; "
                f"meta/info.json says {feature.dtype} of shape {feature.shape}",
                _RECORD_HINT,
            )
        return values.reshape(rows, *(feature.shape or (1,)))

    def _open_file(self, number: int) -> Any:
        return open_parquet(self._files[number], self._where)


_RECORD_HINT = "the file does not fit its description: convert or download it again, or correct meta/info.json"


def open_parquet(path: Path, where: str) -> Any:
    """Open a parquet file.

    Args:
        path: the file.
        where: the dataset, for messages.

    Raises:
        DatasetError: pyarrow is not installed, the file has no footer, or is damaged otherwise.
    """
    parquet = load_extra("pyarrow.parquet", "lerobot", where)
    refuse_git_lfs(path)
    try:
        return parquet.ParquetFile(path)
    except DAMAGE as error:
        if _has_footer(path):
            raise DatasetError(f"{where}: {path} cannot be read: {error}", "copy or download it again") from error
        raise DatasetError(
            f"{where}: {path} has no footer: its recording was never finalised, or its copy is incomplete",
            "copy or download it again; a recording needs `dataset.finalize()` at its end",
        ) from error


def _has_footer(path: Path) -> bool:
    with damage_refused(str(path)), path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - 4, 0))
        return stream.read() == b"PAR1"


def _whole_numbers(column: Any) -> np.ndarray:
    if column.null_count:
        raise ValueError("episode_index or frame_index is empty in some rows")
    return np.asarray(column.to_numpy()).astype(np.int64)


def _check_frames(where: str, index: int, runs: list[Run]) -> bool:
    """Refuse an episode whose frames are not 0, 1, …; say whether they are out of order.

    Raises:
        DatasetError: a frame is missing or there twice.
    """
    frames = np.concatenate([run.frames for run in runs])
    ordered = np.sort(frames)
    wrong = np.flatnonzero(ordered != np.arange(len(ordered)))
    if len(wrong):
        place = int(wrong[0])
        twice = place > 0 and ordered[place] == ordered[place - 1]
        raise DatasetError(
            f"{where}: episode {index} {'has frame' if twice else 'lacks frame'} "
            f"{int(ordered[place]) if twice else place}{' twice' if twice else ''}",
            "two recordings share this episode_index, or rows are missing: convert or download it again",
        )
    return not bool((np.diff(frames) > 0).all())
