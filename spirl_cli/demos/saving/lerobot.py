"""Writes a LeRobotDataset of version 3.0, as lerobot 0.4 reads it.

LeRobot has no final observation: a frame is a state with the action taken in it. An episode of T steps has T+1 frames
here; the last one holds the last state and the last action once more, so that no step is lost to those who, as spirl
does, drop the action of the last frame. Images are PNG files in the parquet file, which loses nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from spirl_cli.demos.formats.checks import load_extra
from spirl_cli.demos.saving.target import STATE, About, SavedEpisode
from spirl_cli.errors import DatasetError
from spirl_cli.files import make_folder, write_whole

_DATA, _EPISODES = "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"
_PATTERN = "chunk-{chunk_index:03d}/file-{file_index:03d}"
_COUNTERS = ("frame_index", "episode_index", "index", "task_index")


class LeRobotWriter:
    """Writes episodes into a folder; use it as a context manager.

    Args:
        folder: empty.
        about: environment and steps per second.

    Raises:
        DatasetError: pyarrow is missing.
    """

    def __init__(self, folder: Path, about: About) -> None:
        self._folder, self._about = folder, about
        self._arrow = load_extra("pyarrow", "lerobot", "a LeRobotDataset")
        self._parquet = load_extra("pyarrow.parquet", "lerobot", "a LeRobotDataset")
        self._writer: Any = None
        self._features: dict[str, dict[str, Any]] = {}
        self._statistics: dict[str, Statistics] = {}
        self._episodes: list[dict[str, Any]] = []
        self._rows = 0
        for name in (_DATA, _EPISODES):
            make_folder((folder / name).parent)

    def __enter__(self) -> LeRobotWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, episode: SavedEpisode) -> None:
        """Write an episode as a row group.

        Raises:
            DatasetError: its arrays have other shapes or types than those before.
        """
        columns = self._columns(episode)
        features = {name: feature_of(array) for name, array in columns.items()}
        if self._features and features != self._features:
            raise DatasetError(f"episode {len(self._episodes)} has other arrays than those before: {features}")
        self._features = features
        for name, array in columns.items():
            self._statistics.setdefault(name, Statistics()).add(array, is_picture(array))
        table = self._arrow.table({name: self._encoded(array) for name, array in columns.items()})
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._folder / _DATA, table.schema)
        self._writer.write_table(table, row_group_size=len(table))
        self._note(len(table))

    def finish(self) -> None:
        """Write the description of the dataset; `data` is complete when the writer is closed."""
        meta, count = self._folder / "meta", len(self._episodes)
        self._parquet.write_table(self._arrow.Table.from_pylist(self._episodes), self._folder / _EPISODES)
        self._write_tasks(meta / "tasks.parquet")
        statistics = {name: one.result() for name, one in self._statistics.items()}
        write_whole(meta / "stats.json", json.dumps(statistics, indent=1).encode())
        info = {
            "codebase_version": "v3.0",
            "robot_type": None,
            "total_episodes": count,
            "total_frames": self._rows,
            "total_tasks": 1,
            "chunks_size": 1000,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self._about.fps,
            "splits": {"train": f"0:{count}"},
            "data_path": f"data/{_PATTERN}.parquet",
            "video_path": None,
            "features": self._features,
        }
        write_whole(meta / "info.json", json.dumps(info, indent=1).encode())

    def _columns(self, episode: SavedEpisode) -> dict[str, np.ndarray]:
        """Return all columns of an episode, one row for each of its T+1 states."""
        rows = len(episode.actions) + 1
        columns = {column_of(name, array): shaped(array) for name, array in episode.observations.items()}
        columns["action"] = np.concatenate([episode.actions, episode.actions[-1:]])
        if episode.rewards is not None:
            columns["next.reward"] = np.append(episode.rewards, 0).astype(np.float32)[:, None]
        columns["next.done"] = (np.arange(rows) >= rows - 2)[:, None]
        columns["timestamp"] = (np.arange(rows) / self._about.fps).astype(np.float32)[:, None]
        counters = (np.arange(rows), np.full(rows, len(self._episodes)), np.arange(rows) + self._rows, np.zeros(rows))
        return {
            **columns,
            **{name: one.astype(np.int64)[:, None] for name, one in zip(_COUNTERS, counters, strict=True)},
        }

    def _encoded(self, array: np.ndarray) -> Any:
        if is_picture(array):
            return self._arrow.array(
                [{"bytes": png(image), "path": None} for image in array], picture_type(self._arrow)
            )
        flat = self._arrow.array(np.ascontiguousarray(array).reshape(-1))
        size = array.shape[1]
        return flat if size == 1 else self._arrow.FixedSizeListArray.from_arrays(flat, size)

    def _note(self, rows: int) -> None:
        places = {"data/chunk_index": 0, "data/file_index": 0, "meta/episodes/chunk_index": 0}
        boundary = {"dataset_from_index": self._rows, "dataset_to_index": self._rows + rows}
        entry = {"episode_index": len(self._episodes), "tasks": [self._about.env], "length": rows}
        self._episodes.append({**entry, **places, "meta/episodes/file_index": 0, **boundary})
        self._rows += rows

    def _write_tasks(self, path: Path) -> None:
        """Write the table of tasks with its text as the index of pandas, which lerobot reads it with."""
        table = self._arrow.table({"task_index": [0], "__index_level_0__": [self._about.env]})
        index = {"index_columns": ["__index_level_0__"], "column_indexes": [], "columns": _PANDAS_COLUMNS}
        metadata = {"pandas": json.dumps({**index, "pandas_version": "2.2.0"})}
        self._parquet.write_table(table.replace_schema_metadata(metadata), path)


_PANDAS_COLUMNS = [
    {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64", "metadata": None},
    {
        "name": None,
        "field_name": "__index_level_0__",
        "pandas_type": "unicode",
        "numpy_type": "object",
        "metadata": None,
    },
]


class Statistics:
    """Mean, spread and range of a column, which lerobot normalises by; of images per channel, from 0 to 1."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: Any = 0.0
        self._squares: Any = 0.0
        self._low: Any = np.inf
        self._high: Any = -np.inf

    def add(self, array: np.ndarray, picture: bool) -> None:
        """Take the rows of an episode."""
        values = array.reshape(-1, array.shape[-1]).astype(np.float64) / (255.0 if picture else 1.0)
        self._picture = picture
        self._count += len(values)
        self._sums, self._squares = self._sums + values.sum(axis=0), self._squares + (values**2).sum(axis=0)
        self._low, self._high = np.minimum(self._low, values.min(axis=0)), np.maximum(self._high, values.max(axis=0))

    def result(self) -> Mapping[str, Any]:
        """Return them as lists."""
        mean = self._sums / self._count
        spread = np.sqrt(np.maximum(self._squares / self._count - mean**2, 0))
        found = {"min": self._low, "max": self._high, "mean": mean, "std": spread}
        shape = (-1, 1, 1) if self._picture else (-1,)
        return {**{name: one.reshape(shape).tolist() for name, one in found.items()}, "count": [self._count]}


def is_picture(array: np.ndarray) -> bool:
    """Say whether an array `(T+1, rows, columns, channels)` holds images."""
    return array.dtype == np.uint8 and array.ndim == 4


def shaped(array: np.ndarray) -> np.ndarray:
    """Return images with their channels last, anything else as `(T+1, D)`."""
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[-1] in (1, 3, 4):
        return array
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[1] in (1, 3, 4):
        return np.moveaxis(array, 1, -1)
    return array.reshape(len(array), -1)


def column_of(name: str, array: np.ndarray) -> str:
    """Return LeRobot's name of an observation; it takes no slashes."""
    plain = name.replace("/", ".")
    if is_picture(shaped(array)):
        return f"observation.images.{plain}"
    return f"observation.{STATE if name == STATE else plain}"


def feature_of(array: np.ndarray) -> dict[str, Any]:
    """Return the description of a column."""
    picture = is_picture(array)
    names = ["height", "width", "channels"] if picture else None
    return {"dtype": "image" if picture else str(array.dtype), "shape": list(array.shape[1:]), "names": names}


def picture_type(arrow: Any) -> Any:
    """Return the Arrow type of an image: a file in a struct."""
    return arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])


def png(image: np.ndarray) -> bytes:
    """Return an image as a PNG file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(stream, "PNG")
    return stream.getvalue()
