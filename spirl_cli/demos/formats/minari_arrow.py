"""Minari's Arrow and Parquet layouts: a folder per episode with one file, and its ``metadata.json``.

Observations have T+1 rows; actions are padded to as many. Observations that are dictionaries or
tuples are columns of structs. Images may be JPEG files in a column of bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spirl_cli.demos.dataset import StoredEpisode
from spirl_cli.demos.formats.arrow_file import ArrowFile
from spirl_cli.demos.formats.checks import damage_refused
from spirl_cli.demos.formats.pictures import DecodedImages, decoded_pictures
from spirl_cli.demos.formats.rows import is_small
from spirl_cli.errors import DatasetError

FORMATS = ("arrow", "parquet")


def read_arrow_episodes(
    data: Path, format: str, count: int, where: str, spaces: tuple[Any, Any]
) -> Iterator[StoredEpisode]:
    """Yield the episodes of a dataset in the order of their numbers; large arrays are read when they are sliced.

    Args:
        data: folder with a folder per episode.
        format: one of `FORMATS`.
        count: number of episodes.
        where: the dataset, for messages.
        spaces: observation and action space.

    Raises:
        DatasetError: pyarrow is missing, an episode too, or its rows are not as many as it says.
    """
    for number in range(count):
        folder = data / str(number)
        with damage_refused(f"{where}: {folder}"):
            file = _opened(folder, format, where)
            observations = _decoded(file, spaces[0], ("observations",))
            actions = np.asarray(_decoded(file, spaces[1], ("actions",)))
            steps = _steps(folder, len(file), where)
            paid = _rewards(file, steps)
        yield StoredEpisode(number, observations, actions[:steps], rewards=paid)


def _rewards(file: ArrowFile, steps: int) -> np.ndarray | None:
    return file.read(("rewards",), 0, steps).to_numpy(zero_copy_only=False) if "rewards" in file.columns else None


def read_arrow_rewards(data: Path, format: str, count: int, where: str) -> Iterator[np.ndarray]:
    """Yield the rewards of the episodes, `(T,)` each, in the order of their numbers."""
    for number in range(count):
        folder = data / str(number)
        file = _opened(folder, format, where)
        paid = _rewards(file, _steps(folder, len(file), where))
        if paid is not None:
            yield paid


def _opened(folder: Path, format: str, where: str) -> ArrowFile:
    files = [path for path in sorted(folder.iterdir()) if path.name[0] not in "._" and path.suffix != ".json"]
    if len(files) != 1:
        raise DatasetError(f"{where}: {folder} has {len(files)} data files; one is expected")
    return ArrowFile(files[0], format, where)


def _steps(folder: Path, rows: int, where: str) -> int:
    """Return the number of actions, without those that only pad: T of T+1 rows, or of T where a state is missing."""
    steps = int(json.loads((folder / "metadata.json").read_text(encoding="utf-8"))["total_steps"])
    if rows not in (steps, steps + 1):
        raise DatasetError(f"{where}: {folder} has {rows} rows, but its metadata.json says {steps} steps")
    return steps


def _decoded(file: ArrowFile, space: Any, path: tuple[str, ...]) -> Any:
    """Return a column of a space as an array, a dictionary or a tuple of such."""
    from gymnasium.spaces import Dict, Tuple

    if isinstance(space, Dict):
        return {name: _decoded(file, below, (*path, name)) for name, below in space.spaces.items()}
    if isinstance(space, Tuple):
        return tuple(_decoded(file, below, (*path, str(place))) for place, below in enumerate(space.spaces))
    shape = (len(file), *(space.shape or ()))
    values = partial(_values, file, space, path)
    if is_small(shape, space.dtype or np.uint8):
        return values(0, len(file))
    first = np.asarray(values(0, 1))
    return DecodedImages((len(file), *first.shape[1:]), first.dtype, lambda begin, end: np.asarray(values(begin, end)))


def _values(file: ArrowFile, space: Any, path: tuple[str, ...], first: int, stop: int) -> Any:
    """Return rows of a column as an array, images as what decodes them."""
    values = file.read(path, first, stop)
    if hasattr(values.type, "list_size"):
        return values.flatten().to_numpy(zero_copy_only=False).reshape(len(values), *space.shape)
    if str(values.type) == "binary":
        return decoded_pictures([entry.as_py() for entry in values], f"{file.where}, from row {first} on")
    return values.to_numpy(zero_copy_only=False)
