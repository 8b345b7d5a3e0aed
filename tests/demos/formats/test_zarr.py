"""zarr datasets of diffusion policy: what is counted, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.errors import DatasetError
from tests.support.format_writers import make_episodes, write_zarr

zarr = pytest.importorskip("zarr")

EPISODES = make_episodes(4)  # of 12 to 15 rows, 54 in all
ROWS = 54


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_zarr(tmp_path / "replay.zarr", EPISODES)


def replace(path: Path, name: str, array: np.ndarray, **more: Any) -> None:
    root = zarr.open_group(str(path), mode="a")
    if name in root:
        del root[name]
    root.create_array(name, shape=array.shape, dtype=array.dtype, chunks=array.shape, **more)
    root[name][:] = array


def describe(path: Path, name: str, **more: Any) -> None:
    """Change the description of an array."""
    file = path / name / ".zarray"
    file.write_text(json.dumps({**json.loads(file.read_text()), **more}))


def test_rows_after_the_last_episode_are_left_out(path: Path) -> None:
    replace(path, "meta/episode_ends", np.array([12, 25]))
    source = open_dataset(str(path))
    assert [len(episode.actions) for episode in source.episodes()] == [11, 12]
    assert f"{ROWS - 25} rows after the last of meta/episode_ends belong to no episode" in source.notes[0]


def test_absent_chunks_are_counted(path: Path) -> None:
    next((path / "data" / "action").glob("1.*")).unlink()
    source = open_dataset(str(path))
    assert len(list(source.episodes())) == 4
    assert "1 chunks of data/action are absent and read as 0.0" in source.notes[0]


def test_only_the_chosen_observations_are_read(path: Path) -> None:
    describe(path, "data/state", dtype="|O", filters=[{"id": "pickle"}])
    episode = next(open_dataset(str(path)).episodes())
    assert set(episode.observations) == {"state"}
    with pytest.raises(DatasetError, match="packed with pickle"):
        episode.observations["state"]


def test_arrays_of_unknown_codecs_are_no_obstacle(path: Path) -> None:
    replace(path, "data/camera", np.zeros((ROWS, 4, 4, 3), np.uint8))
    describe(path, "data/camera", compressor={"id": "imagecodecs_jpeg2k"})
    (episode, *_) = open_dataset(str(path)).episodes()
    assert set(episode.observations) == {"camera", "state"} and len(episode.observations["state"]) == 12
    with pytest.raises(DatasetError, match=r"camera cannot be read: .*imagecodecs_jpeg2k"):
        episode.observations["camera"]


def test_bounds_may_be_attributes(path: Path) -> None:
    assert open_dataset(str(path)).action_bounds() is None
    zarr.open_group(str(path), mode="a").attrs.update(action_low=-1, action_high=[1, 2])
    np.testing.assert_array_equal(open_dataset(str(path)).action_bounds(), [[-1, -1], [1, 2]])


def no_ends(path: Path) -> None:
    shutil.rmtree(path / "meta")


def descending(path: Path) -> None:
    replace(path, "meta/episode_ends", np.array([12, 10, 54]))


def too_far(path: Path) -> None:
    replace(path, "meta/episode_ends", np.array([12, 60]))


def fractions(path: Path) -> None:
    replace(path, "meta/episode_ends", np.array([12.0, 54.0]))


def no_action(path: Path) -> None:
    shutil.rmtree(path / "data" / "action")


def whole_numbers(path: Path) -> None:
    replace(path, "data/action", np.zeros((ROWS, 2), int))


def pickled(path: Path) -> None:
    describe(path, "data/action", filters=[{"id": "pickle"}])


def hollow(path: Path) -> None:
    describe(path, "data/action", shape=[10**13, 2])


def large_chunks(path: Path) -> None:
    describe(path, "data/action", chunks=[10**12, 2])


def damaged_chunk(path: Path) -> None:
    chunk = next((path / "data" / "action").glob("1.*"))
    chunk.write_bytes(chunk.read_bytes()[:20])


def damaged_description(path: Path) -> None:
    (path / "data" / "action" / ".zarray").write_text("{")


REFUSED: dict[Callable[[Path], None], str] = {
    no_ends: "has data; expected arrays in `data` and `meta/episode_ends`",
    descending: "meta/episode_ends is 10 for episode 1, not after the end before",
    too_far: "meta/episode_ends counts 60 rows, but fewer are in .*state \\(54\\)",
    fractions: "meta/episode_ends is of type float64",
    no_action: "`data` has no `action`, only: state",
    whole_numbers: "type int64, not continuous",
    pickled: "data/action is packed with pickle, which is never read",
    hollow: "declares 80,000,000,000,000 bytes",
    large_chunks: "has chunks of 8,000,000,000,000 bytes",
    damaged_chunk: "the chunk data/action/1.0 is damaged: 20 bytes are there",
    damaged_description: "cannot be read",
}


@pytest.mark.parametrize("spoil", REFUSED)
def test_refusals(spoil: Callable[[Path], None], path: Path) -> None:
    spoil(path)
    with pytest.raises(DatasetError, match=REFUSED[spoil]) as refusal:
        source = open_dataset(str(path))
        source.contents()
        source.action_dim()
        list(source.episodes())
    assert "zarr dataset" in refusal.value.message


def test_without_zarr_the_hint_installs_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(DatasetError, match="is read with zarr, which is not installed") as refusal:
        open_dataset(str(path)).contents()
    assert "pip install 'spirl[zarr]'" in refusal.value.hint
