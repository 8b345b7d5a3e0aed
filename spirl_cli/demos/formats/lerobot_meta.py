"""What a LeRobotDataset folder says about itself: ``meta/info.json`` and the list of episodes.

Version 2.1: ``meta/episodes.jsonl``, ``data/chunk-000/episode_000000.parquet``.
Version 3.0: ``meta/episodes/chunk-000/file-000.parquet`` (perhaps several), ``data/chunk-000/file-000.parquet``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spirl_cli.demos.formats.checks import damage_refused, load_extra, refuse_git_lfs
from spirl_cli.errors import DatasetError

VERSIONS = ("v2.0", "v2.1", "v3.0")
NUMERIC = ("float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
_OBSERVATION = re.compile(r"observations?([./]|$)")
_LEGACY = re.compile(r"episode_\d+\.parquet")


@dataclass(frozen=True)
class Feature:
    """A column of the data.

    Attributes:
        name: such as ``observation.state``.
        dtype: type of its numbers, ``image`` or ``video``.
        shape: of one frame.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def numeric(self) -> bool:
        """Whether it is an array of numbers."""
        return self.dtype in NUMERIC

    @property
    def size(self) -> int:
        """How many numbers a frame has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Info:
    """Content of ``meta/info.json``.

    Attributes:
        version: one of `VERSIONS`.
        features: columns of the data, and videos.
        total_episodes: as the file says.
        fps: frames per second; 0 where the file does not say.
    """

    version: str
    features: tuple[Feature, ...]
    total_episodes: int
    fps: float

    @property
    def legacy(self) -> bool:
        """Whether every episode has a file of its own, as before version 3.0."""
        return self.version < "v3"

    def observations(self) -> list[Feature]:
        """Return the features that are observations."""
        return [feature for feature in self.features if _OBSERVATION.match(feature.name)]


@dataclass(frozen=True)
class Said:
    """What the metadata say about an episode.

    Attributes:
        length: number of frames.
        first, stop: its rows in the whole dataset; None in version 2.1.
    """

    length: int
    first: int | None = None
    stop: int | None = None

    def agrees(self, first: int, length: int) -> bool:
        """Say whether an episode of so many rows from this one on is what was meant."""
        return self.length == length and (self.first, self.stop) in ((None, None), (first, first + length))


def read_info(folder: Path) -> Info:
    """Read ``meta/info.json``.

    Raises:
        DatasetError: it is missing, damaged, or of a version that is not read.
    """
    path = folder / "meta" / "info.json"
    refuse_git_lfs(path)
    with damage_refused(f"LeRobot dataset {folder}: {path}"):
        content = json.loads(path.read_text(encoding="utf-8"))
        version = str(content["codebase_version"])
        features = tuple(_feature(name, spec) for name, spec in content["features"].items())
        info = Info(version, features, int(content.get("total_episodes", 0)), float(content.get("fps") or 0))
    if version not in VERSIONS:
        raise DatasetError(
            f"LeRobot dataset {folder} is of version {version}; read are {', '.join(VERSIONS)}",
            "convert it with the scripts of the lerobot package",
        )
    return info


def _feature(name: str, spec: Any) -> Feature:
    return Feature(name, str(spec["dtype"]), tuple(int(size) for size in spec["shape"]))


def parquet_files(folder: Path, info: Info) -> list[Path]:
    """Return the data files in order.

    Raises:
        DatasetError: there is none, or they are of the other version than ``meta/info.json``.
    """
    files = sorted(path for path in (folder / "data").rglob("*.parquet") if not path.name.startswith("."))
    if not files:
        raise DatasetError(f"LeRobot {info.version} dataset {folder}: data holds no parquet file", _DOWNLOAD_HINT)
    others = [path for path in files if bool(_LEGACY.fullmatch(path.name)) != info.legacy]
    if others:
        raise DatasetError(
            f"LeRobot dataset {folder}: meta/info.json says {info.version}, but {len(others)} of {len(files)} files "
            f"below data are named as in {'v3.0' if info.legacy else 'v2.1'}, such as {others[0].relative_to(folder)}",
            "its conversion is incomplete: convert it again with the lerobot package, or take the original",
        )
    return files


_DOWNLOAD_HINT = "copy or download the dataset again, with its data folder"


def read_episodes(folder: Path, info: Info) -> dict[int, Said]:
    """Return what the metadata say about every episode, by index; all shards are read.

    Raises:
        DatasetError: they are damaged.
    """
    where = f"LeRobot {info.version} dataset {folder}"
    with damage_refused(f"{where}: the list of episodes in meta"):
        return dict(_legacy_episodes(folder) if info.legacy else _sharded_episodes(folder, where))


def _legacy_episodes(folder: Path) -> Iterator[tuple[int, Said]]:
    path = folder / "meta" / "episodes.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        if line.strip():
            entry = json.loads(line)
            yield int(entry["episode_index"]), Said(int(entry["length"]))


def _sharded_episodes(folder: Path, where: str) -> Iterator[tuple[int, Said]]:
    parquet = load_extra("pyarrow.parquet", "lerobot", where)
    names = ["episode_index", "length", "dataset_from_index", "dataset_to_index"]
    for path in sorted((folder / "meta" / "episodes").rglob("*.parquet")):
        if path.name.startswith("."):
            continue
        refuse_git_lfs(path)
        with damage_refused(f"{where}: {path}"):
            table = parquet.ParquetFile(path).read(columns=names)
        for row in zip(*(table.column(name).to_pylist() for name in names), strict=True):
            yield int(row[0]), Said(*(int(value) for value in row[1:]))
