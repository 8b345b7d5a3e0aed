"""Trajectories in a LeRobotDataset folder, versions 2.1 and 3.0.

Both versions keep one row per frame in parquet files below ``data``: ``action`` and ``observation.*``
as lists of numbers, ``episode_index`` and ``frame_index``. Version 2.1 has a file per episode, 3.0
several episodes in a file. Which rows make up an episode is read from these two columns; what ``meta``
says about it (`spirl_cli.demos.formats.lerobot_meta`) is compared and, where it disagrees, counted.

There is no final observation, so the last action of every episode is dropped. Images are PNG or JPEG files in
a column, or frames of videos (`spirl_cli.demos.formats.lerobot_video`); only those of cameras that are asked for
are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
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
from spirl_cli.demos.formats.lerobot_video import Clip, episode_frames, find_clips
from spirl_cli.demos.formats.pictures import DecodedImages, decoded_pictures
from spirl_cli.errors import DatasetError
from spirl_cli.files import expanded

ACTION = "action"
TIME = "timestamp"
OUTCOME = {"rewards": "next.reward", "success": "next.success"}
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

    Args:
        name: path of the folder.
        cameras: features of the kind `image` or `video` that are going to be read.

    Attributes:
        notes: what was found and mended, as sentences.
    """

    kind = "lerobot"

    def __init__(self, name: str, cameras: Sequence[str] = ()) -> None:
        self.name, self._cameras = name, {*cameras}
        self.notes: list[str] = []
        self._path = expanded(name)
        self._info = read_info(self._path)
        self._where = f"LeRobot {self._info.version} dataset {name}"
        self._files = parquet_files(self._path, self._info)
        self._known: dict[int, list[Run]] | None = None
        self._columns = lru_cache(maxsize=_ROW_GROUPS)(self._read_columns)
        self._open = lru_cache(maxsize=1)(self._open_file)

    def files(self) -> list[Path]:
        """Return the files below ``meta`` and ``data`` and the videos of cameras that are going to be read, sorted."""
        below = [path for part in ("meta", "data") for path in (self._path / part).rglob("*")]
        below += [path for path in (self._path / "videos").rglob("*") if not self._cameras.isdisjoint(path.parts)]
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

    def outcomes(self, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield those of the named features that are there, of each row group; one number for each frame."""
        found = [feature for feature in self._info.features if feature.name in names and feature.size == 1]
        for number in range(len(self._files) if found else 0):
            for group in range(self._open(number).num_row_groups):
                table = self._table(number, group, [feature.name for feature in found])
                for feature in found:
                    where = f"{self._where}: {self._files[number]}"
                    yield feature.name, self._values(where, feature, table.column(feature.name))

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes in the order of their indices; memory holds one, and the row groups that it lies in."""
        return guarded(self._where, self._read())

    def _read(self) -> Iterator[StoredEpisode]:
        self._note_unread()
        seen = [feature for feature in self._info.observations() if feature.dtype in ("image", "video")]
        clips = {
            feature.name: find_clips(self._path, self._info, feature.name, self._where)
            for feature in seen
            if feature.dtype == "video" and feature.name in self._cameras
        }
        for number, (index, runs) in enumerate(self._episodes().items()):
            values = self._gather(runs, self._numbers())
            actions = values.pop(ACTION)
            told = {key: values.pop(name, None) for key, name in OUTCOME.items()}
            if clips:
                self._check_times(index, values.get(TIME))
            images = partial(self._images, index, runs, clips)
            observations = _Observations(values, seen, images)
            yield StoredEpisode(number, observations, actions[:-1], **told)

    def _numbers(self) -> list[Feature]:
        """Return the numeric features that are read: observations, action, outcome, and times if there are videos."""
        numbers = [feature for feature in self._info.observations() if feature.numeric] + [self._action()]
        filmed = any(feature.dtype == "video" and feature.name in self._cameras for feature in self._info.features)
        told = (*OUTCOME.values(), *([TIME] if filmed else []))
        return numbers + [feature for feature in self._info.features if feature.numeric and feature.name in told]

    def _action(self) -> Feature:
        for feature in self._info.features:
            if feature.name == ACTION:
                return feature
        names = ", ".join(feature.name for feature in self._info.features)
        raise DatasetError(f"{self._where} has no feature `{ACTION}`, only: {names}")

    def _note_unread(self) -> None:
        for kind in ("video", "image"):
            names = [feature.name for feature in self._info.features if feature.dtype == kind]
            names = [name for name in names if name not in self._cameras]
            if names:
                self.notes.append(
                    f"{self._where}: {len(names)} {kind} features are not selected: {', '.join(names)} (mark those to "
                    "be seen with `image` in extract.observation)"
                )

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

    def _gather(self, runs: list[Run], features: list[Feature]) -> dict[str, np.ndarray]:
        """Return the features of an episode, (T, …) each, in the order of its frames."""
        order = _order(runs)
        result = {}
        for feature in features:
            pieces = [self._columns(run.file, run.group)[feature.name][run.first : run.stop] for run in runs]
            result[feature.name] = np.concatenate(pieces)[order]
        return result

    def _read_columns(self, number: int, group: int) -> dict[str, np.ndarray]:
        """Read the numeric features of a row group, (rows, …) each."""
        features, where = self._numbers(), f"{self._where}: {self._files[number]}"
        table = self._table(number, group, [feature.name for feature in features])
        with damage_refused(where):
            return {feature.name: self._values(where, feature, table.column(feature.name)) for feature in features}

    def _table(self, number: int, group: int, names: list[str]) -> Any:
        """Read some columns of a row group."""
        file, where = self._open(number), f"{self._where}: {self._files[number]}"
        missing = [name for name in names if name not in file.schema_arrow.names]
        if missing:
            raise DatasetError(f"{where} has no column {', '.join(missing)}, which meta/info.json lists", _RECORD_HINT)
        with damage_refused(where):
            return file.read_row_group(group, columns=names)

    def _images(
        self, index: int, runs: list[Run], clips: Mapping[str, Mapping[int, Clip]], feature: Feature
    ) -> DecodedImages:
        """Return what a camera showed in an episode."""
        where = f"{self._where}: episode {index}, {feature.name}"
        if feature.dtype == "image":
            return decoded_pictures(self._files_of_pictures(feature.name, runs, where), where)
        clip = clips.get(feature.name, {}).get(index)
        if clip is None:
            raise DatasetError(f"{where}: there is no video", "copy or download the dataset again, with its videos")
        return episode_frames(clip, sum(run.stop - run.first for run in runs), self._info.fps, where)

    def _files_of_pictures(self, name: str, runs: list[Run], where: str) -> list[bytes]:
        """Return the PNG or JPEG files of an episode, in the order of its frames."""
        found: list[bytes] = []
        for run in runs:
            column = self._table(run.file, run.group, [name]).column(name)
            for entry in column.slice(run.first, run.stop - run.first).to_pylist():
                data = entry.get("bytes") if isinstance(entry, dict) else entry
                if not isinstance(data, bytes):
                    raise DatasetError(f"{where}: an image does not lie in the parquet file, but beside it or nowhere")
                found.append(data)
        return [found[place] for place in _order(runs)]

    def _check_times(self, index: int, times: np.ndarray | None) -> None:
        """Refuse frames that were not taken at a steady rate, since rows could not be told to frames of a video."""
        fps = self._info.fps
        if fps <= 0:
            raise DatasetError(f"{self._where}: meta/info.json does not say the frames per second (`fps`)")
        if times is None:
            return
        late = np.abs(np.ravel(times) * fps - np.arange(len(times)))
        if (late > 0.5).any():
            frame = int(np.argmax(late > 0.5))
            raise DatasetError(
                f"{self._where}: frame {frame} of episode {index} has the time {float(np.ravel(times)[frame]):g} s, at "
                f"{fps:g} frames per second it should be {frame / fps:g} s",
                "which frame of the video belongs to a step is unclear: convert or download it again",
            )

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


class _Observations(Mapping[str, Any]):
    """The observations of an episode; images are decoded when they are asked for."""

    def __init__(
        self, numbers: Mapping[str, np.ndarray], seen: Sequence[Feature], images: Callable[[Feature], Any]
    ) -> None:
        self._numbers, self._images = numbers, images
        self._seen = {feature.name: feature for feature in seen}

    def __iter__(self) -> Iterator[str]:
        return iter([*self._numbers, *self._seen])

    def __len__(self) -> int:
        return len(self._numbers) + len(self._seen)

    def __getitem__(self, name: str) -> Any:
        """Return an array (T, …)."""
        return self._images(self._seen[name]) if name in self._seen else self._numbers[name]


def _order(runs: list[Run]) -> np.ndarray:
    """Return the places of an episode's rows in the order of its frames."""
    return np.argsort(np.concatenate([run.frames for run in runs]), kind="stable")


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
