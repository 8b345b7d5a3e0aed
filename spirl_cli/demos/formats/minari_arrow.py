"""Minari's Arrow and Parquet layouts: a folder per episode with one file, and its ``metadata.json``.

Observations have T+1 rows; actions are padded to as many. Observations that are dictionaries or
tuples are columns of structs. Images may be JPEG files in a column of bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spirl_cli.demos.dataset import StoredEpisode
from spirl_cli.demos.formats.checks import damage_refused, load_extra
from spirl_cli.demos.formats.pictures import decoded_pictures
from spirl_cli.errors import DatasetError

FORMATS = ("arrow", "parquet")


def read_arrow_episodes(
    data: Path, format: str, count: int, where: str, spaces: tuple[Any, Any]
) -> Iterator[StoredEpisode]:
    """Yield the episodes of a dataset in the order of their numbers.

    Args:
        data: folder with a folder per episode.
        format: one of `FORMATS`.
        count: number of episodes.
        where: the dataset, for messages.
        spaces: observation and action space.

    Raises:
        DatasetError: pyarrow is missing, an episode too, or its rows are not as many as it says.
    """
    dataset = load_extra("pyarrow.dataset", "arrow", where)
    for number in range(count):
        folder = data / str(number)
        with damage_refused(f"{where}: {folder}"):
            files = [path for path in sorted(folder.iterdir()) if path.name[0] not in "._" and path.suffix != ".json"]
            if len(files) != 1:
                raise DatasetError(f"{where}: {folder} has {len(files)} data files; one is expected")
            table = dataset.dataset([str(files[0])], format=format).to_table()
            observations = _decoded(f"{where}: {folder}", spaces[0], table.column("observations").combine_chunks())
            actions = _decoded(f"{where}: {folder}", spaces[1], table.column("actions").combine_chunks())
            steps = _steps(folder, len(table), where)
            paid = table.column("rewards").to_numpy()[:steps] if "rewards" in table.column_names else None
        yield StoredEpisode(number, observations, actions[:steps], rewards=paid)


def _steps(folder: Path, rows: int, where: str) -> int:
    """Return the number of actions, without those that only pad: T of T+1 rows, or of T where a state is missing."""
    steps = int(json.loads((folder / "metadata.json").read_text(encoding="utf-8"))["total_steps"])
    if rows not in (steps, steps + 1):
        raise DatasetError(f"{where}: {folder} has {rows} rows, but its metadata.json says {steps} steps")
    return steps


def _decoded(where: str, space: Any, values: Any) -> Any:
    """Return a column of a space as an array, a dictionary or a tuple of such."""
    from gymnasium.spaces import Dict, Tuple

    if isinstance(space, Dict):
        return {name: _decoded(where, below, values.field(name)) for name, below in space.spaces.items()}
    if isinstance(space, Tuple):
        return tuple(_decoded(where, below, values.field(str(place))) for place, below in enumerate(space.spaces))
    if hasattr(values.type, "list_size"):
        return values.flatten().to_numpy(zero_copy_only=False).reshape(len(values), *space.shape)
    if str(values.type) == "binary":
        return decoded_pictures([entry.as_py() for entry in values], where)
    return values.to_numpy(zero_copy_only=False)
