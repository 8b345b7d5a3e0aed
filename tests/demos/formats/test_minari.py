"""Minari datasets: Arrow beside HDF5, missing last observations, nothing that tells to delete them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Tuple

from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.demos.formats.minari import MinariFolder
from spirl_cli.errors import DatasetError
from spirl_cli.observation import select
from spirl_cli.settings import ObservationPart
from tests.support.format_writers import make_episodes, write_minari, write_minari_arrow

EPISODES = make_episodes(12)


def steps(source: Any) -> list[int]:
    return [len(episode.actions) for episode in source.episodes()]


def test_the_last_action_without_a_next_observation_is_dropped(tmp_path: Path) -> None:
    path = write_minari(tmp_path / "own-v0", EPISODES)
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        for number in (2, 5):
            observations = file[f"episode_{number}/observations"][:-1]
            del file[f"episode_{number}/observations"]
            file[f"episode_{number}/observations"] = observations
    source = open_dataset(str(path))
    assert steps(source) == [rows - 1 - (number in (2, 5)) for number, rows in enumerate(range(12, 24))]
    (note,) = source.notes
    assert "2 episodes lack their last observation, the first is episode 2" in note


def test_a_dataset_may_be_named_by_its_data(tmp_path: Path) -> None:
    path = write_minari(tmp_path / "own-v0", EPISODES)
    expected = [rows - 1 for rows in range(12, 24)]
    assert steps(open_dataset(str(path / "data"))) == expected
    assert steps(open_dataset(str(path / "data" / "main_data.hdf5"))) == expected


def test_data_without_metadata_are_refused(tmp_path: Path) -> None:
    path = write_minari(tmp_path / "own-v0", EPISODES)
    (path / "data" / "metadata.json").unlink()
    for name in (path / "data", path / "data" / "main_data.hdf5"):
        with pytest.raises(DatasetError, match=r"no metadata.json beside it"):
            open_dataset(str(name))


@pytest.mark.parametrize("key", ["total_episodes", "total_steps"])
def test_numbers_that_cannot_be_are_refused(key: str, tmp_path: Path) -> None:
    path = write_minari(tmp_path / "own-v0", EPISODES)
    metadata = path / "data" / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), key: -1}))
    with pytest.raises(DatasetError, match=r"said to have .*-1"):
        MinariFolder("own-v0", path / "data").contents()


@pytest.mark.parametrize("key", ["total_episodes", "observation_space", "action_space"])
def test_numbers_that_no_memory_holds_are_refused(key: str, tmp_path: Path) -> None:
    path = write_minari(tmp_path / "own-v0", EPISODES)
    metadata = path / "data" / "metadata.json"
    space = json.dumps({"type": "Box", "dtype": "float32", "shape": [10**12], "low": -1.0, "high": 1.0})
    nested = json.dumps({"type": "Dict", "subspaces": {"arm": json.loads(space)}})
    value = {"total_episodes": 10**12, "observation_space": nested, "action_space": space}[key]
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), key: value}))
    with pytest.raises(DatasetError, match=r"declares 1,000,000,000,000 bytes of data"):
        MinariFolder("own-v0", path / "data").action_bounds()


def test_arrow_without_pyarrow_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_minari(tmp_path / "own-v0", EPISODES)
    metadata = path / "data" / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "data_format": "arrow"}))
    monkeypatch.setitem(sys.modules, "pyarrow.dataset", None)
    with pytest.raises(DatasetError, match="in Minari's arrow layout, is read with pyarrow") as refusal:
        MinariFolder("own-v0", path / "data").action_bounds()
    assert "pip install 'spirl[arrow]'" in refusal.value.hint


def test_no_hint_tells_to_delete_recordings(tmp_path: Path) -> None:
    path = write_minari(tmp_path / "own-v0", EPISODES)
    (path / "data" / "metadata.json").write_text("{}")
    with pytest.raises(DatasetError) as refusal:
        MinariFolder("own-v0", path / "data").contents()
    assert "delete" not in refusal.value.hint and "remove" not in refusal.value.hint


# Arrow


@pytest.fixture
def arrow(tmp_path: Path) -> Path:
    pytest.importorskip("pyarrow")
    return write_minari_arrow(tmp_path / "own-v0", EPISODES) / "data"


def test_arrow_has_the_bounds_of_its_space(arrow: Path) -> None:
    np.testing.assert_array_equal(open_dataset(str(arrow)).action_bounds(), [[-1, -1], [1, 1]])


def test_arrow_without_the_last_row_drops_the_last_action(arrow: Path) -> None:
    rewrite_arrow(arrow / "3" / "part-0.arrow", lambda table: table.slice(0, len(table) - 1))
    source = open_dataset(str(arrow))
    assert steps(source)[3] == 13
    assert "1 episodes lack their last observation, the first is episode 3" in source.notes[0]


def test_arrow_batches_belong_to_their_episode(arrow: Path) -> None:
    import pyarrow as pa

    path = arrow / "3" / "part-0.arrow"
    table = read_arrow(path)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)  # as in episodes of many rows
    for (states, _), episode in zip(EPISODES, open_dataset(str(arrow)).episodes(), strict=True):
        np.testing.assert_array_equal(episode.observations, states)


def test_arrow_reads_nested_spaces(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    space = Dict({"a": Tuple((Box(-9, 9, (2, 2)), Box(-9, 9, (1,)))), "b.c": Box(-9, 9, (3,))})
    grid, single, three = (
        np.arange(4 * size, dtype=np.float32).reshape(4, *shape) for size, shape in ((4, (2, 2)), (1, (1,)), (3, (3,)))
    )
    observations = {"a": (grid, single), "b.c": three}
    path = tmp_path / "nested"
    write_nested(path, observations, space)
    (episode,) = open_dataset(str(path)).episodes()
    parts = (ObservationPart(key="a/0"), ObservationPart(key="a/1"), ObservationPart(key="b.c"))
    expected = np.concatenate([grid.reshape(4, 4), single, three], axis=1)
    np.testing.assert_array_equal(select(episode.observations, parts, leading=1), expected)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "part-0.arrow").unlink(), "has 0 data files"),
        (lambda folder: (folder / "part-1.arrow").write_bytes(b"ARROW1"), "has 2 data files"),
        (lambda folder: (folder / "part-0.arrow").write_bytes(b"ARROW1"), "own-v0.*cannot be read"),
        (lambda folder: (folder / "metadata.json").write_text('{"total_steps": 99}'), "has 15 rows, .* says 99 steps"),
        (lambda folder: (folder / "metadata.json").unlink(), "metadata.json"),
        (lambda folder: folder.rename(folder.with_name("away")), "cannot be read"),
    ],
)
def test_damaged_arrow_is_refused(spoil: Callable[[Path], None], message: str, arrow: Path) -> None:
    spoil(arrow / "3")
    with pytest.raises(DatasetError, match=message) as refusal:
        list(open_dataset(str(arrow)).episodes())
    assert "delete" not in refusal.value.hint


def read_arrow(path: Path) -> Any:
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as stream:
        return pa.ipc.open_file(stream).read_all()


def rewrite_arrow(path: Path, change: Callable[[Any], Any]) -> None:
    import pyarrow as pa

    table = change(read_arrow(path))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def write_nested(path: Path, observations: Any, space: Any) -> None:
    """Write one episode of four states with Minari's own storage."""
    import minari
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    path.mkdir()
    storage = MinariStorage.new(path, space, Box(-1, 1, (1,)), data_format="arrow")
    storage.update_episodes([EpisodeBuffer(0, None, None, observations, np.zeros((3, 1), "f4"), *[[0.0] * 3] * 3)])
    storage.update_metadata({"dataset_id": "nested-v0", "minari_version": minari.__version__})
