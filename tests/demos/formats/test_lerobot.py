"""LeRobot datasets: what lies wrong in real ones is mended and counted, or refused."""

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
from spirl_cli.observation import select
from spirl_cli.settings import ObservationPart
from tests.support.format_writers import STATE, make_episodes, write_lerobot_v3, write_lerobot_v21

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

EPISODES = make_episodes(9)
DATA, META = "data/chunk-000/file-{:03}.parquet", "meta/episodes/chunk-000/file-{:03}.parquet"
versions = pytest.mark.parametrize("write", [write_lerobot_v3, write_lerobot_v21])


@pytest.fixture
def v3(tmp_path: Path) -> Path:
    return write_lerobot_v3(tmp_path / "v3", EPISODES, per_file=4, shards=3)


@pytest.fixture
def v21(tmp_path: Path) -> Path:
    return write_lerobot_v21(tmp_path / "v21", EPISODES)


def check_read(folder: Path) -> list[str]:
    """Check that all episodes are right; return the notes."""
    source = open_dataset(str(folder))
    contents, count = source.contents(), 0
    for (states, actions), episode in zip(EPISODES, source.episodes(), strict=True):
        np.testing.assert_array_equal(episode.observations[STATE], states)
        np.testing.assert_array_equal(episode.observations["observation.gripper"], states[:, :1])
        np.testing.assert_array_equal(episode.actions, actions[:-1])
        count += len(episode.actions)
    assert (contents.episodes, contents.steps) == (len(EPISODES), count)
    return source.notes


def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def replaced(table: Any, name: str, values: Any) -> Any:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def change_info(folder: Path, **more: Any) -> None:
    path = folder / "meta" / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


# Mended


@versions
def test_nothing_is_said_about_a_sound_dataset(write: Callable[..., Path], tmp_path: Path) -> None:
    assert check_read(write(tmp_path / "sound", EPISODES)) == []


def test_wrong_boundaries_of_a_conversion_are_counted(v3: Path) -> None:
    path = v3 / META.format(1)
    rewrite(path, lambda table: replaced(table, "dataset_to_index", np.zeros(len(table), np.int64)))
    (note,) = check_read(v3)
    assert "3 of 9 episodes, first 3: boundaries in meta differ" in note


def test_a_missing_shard_of_the_metadata_is_counted(v3: Path) -> None:
    (v3 / META.format(2)).unlink()
    (note,) = check_read(v3)
    assert "3 of 9 episodes, first 6: meta does not list them" in note


def test_wrong_lengths_in_version_21_are_counted(v21: Path) -> None:
    path = v21 / "meta" / "episodes.jsonl"
    path.write_text(path.read_text().replace('"length": 14', '"length": 99'))
    (note,) = check_read(v21)
    assert "1 of 9 episodes, first 2: boundaries" in note


def test_rows_out_of_order_are_sorted(v3: Path) -> None:
    order = np.random.default_rng(0).permutation(12 + 13 + 14 + 15)
    rewrite(v3 / DATA.format(0), lambda table: table.take(order))
    (note,) = check_read(v3)
    assert "the rows of 4 episodes are not in order" in note


def test_files_in_another_order_are_sorted(v3: Path) -> None:
    (v3 / DATA.format(0)).rename(v3 / DATA.format(7))
    check_read(v3)


@versions
def test_lists_of_any_kind_are_read(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = write(tmp_path / "lists", EPISODES)

    def plain(table: Any) -> Any:
        grips = [[value] for value in table.column("observation.gripper").to_pylist()]
        table = replaced(table, "observation.gripper", pa.array(grips, pa.list_(pa.float32())))
        states = table.column(STATE).to_pylist()
        return replaced(table, STATE, pa.array(states, pa.list_(pa.float32())))

    for path in folder.rglob("data/**/*.parquet"):
        rewrite(path, plain)
    assert check_read(folder) == []


def test_videos_and_images_are_named(v3: Path) -> None:
    features = json.loads((v3 / "meta" / "info.json").read_text())["features"]
    cameras = {f"observation.images.{name}": {"dtype": "video", "shape": [3, 96, 96]} for name in ("top", "wrist")}
    change_info(v3, features={**features, **cameras})
    (note,) = check_read(v3)
    assert "2 video features are not selected: observation.images.top, observation.images.wrist" in note


def test_files_of_macos_are_passed_over(v3: Path) -> None:
    for path in (v3 / DATA.format(0), v3 / META.format(0)):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    assert check_read(v3) == []


# Refused


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def overwrite(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-200:-150] = b"\xff" * 50
    path.write_bytes(data)


def pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


def duplicate(path: Path) -> None:
    rewrite(path, lambda table: pa.concat_tables([table, table.slice(13, 1)]))


def drop_row(path: Path) -> None:
    rewrite(path, lambda table: pa.concat_tables([table.slice(0, 5), table.slice(6)]))


def drop_action(path: Path) -> None:
    rewrite(path, lambda table: table.drop_columns(["action"]))


def ragged(path: Path) -> None:
    rewrite(path, lambda table: replaced(table, "action", pa.array([[0.0]] * len(table), pa.list_(pa.float32()))))


def empty(path: Path) -> None:
    values = [None] + [0.5] * 53
    rewrite(path, lambda table: replaced(table, "observation.gripper", pa.array(values, pa.float32())))


def missing(path: Path) -> None:
    path.unlink()


REFUSED: dict[Callable[[Path], None], str] = {
    truncate: r"file-000.parquet has no footer: its recording was never finalised",
    overwrite: r"file-000.parquet cannot be read",
    pointer: r"file-000.parquet is a Git LFS pointer",
    duplicate: r"episode 1 has frame 1 twice",
    drop_row: r"episode 0 lacks frame 5",
    drop_action: r"file-000.parquet has no column action",
    ragged: r"`action` holds 54 values of type float32 in 54 rows; meta/info.json says float32 of shape \(2,\)",
    empty: r"`observation.gripper` has 1 empty rows",
    missing: r"4 of 9 episodes have no rows in data, the first is episode 0",
}


@pytest.mark.parametrize("spoil", REFUSED)
def test_damaged_data_are_refused(spoil: Callable[[Path], None], v3: Path) -> None:
    spoil(v3 / DATA.format(0))
    with pytest.raises(DatasetError, match=REFUSED[spoil]) as refusal:
        source = open_dataset(str(v3))
        source.contents()
        list(source.episodes())
    assert "LeRobot" in refusal.value.message or "Git LFS" in refusal.value.message
    assert "delete" not in refusal.value.hint and refusal.value.hint


def test_metadata_without_footer_are_refused(v3: Path) -> None:
    truncate(v3 / META.format(1))
    with pytest.raises(DatasetError, match=r"meta/episodes/chunk-000/file-001.parquet cannot be read"):
        open_dataset(str(v3)).contents()


def test_a_v3_folder_with_v21_files_is_refused(v3: Path, v21: Path) -> None:
    shutil.copy(v21 / "data/chunk-000/episode_000003.parquet", v3 / "data/chunk-000")
    with pytest.raises(DatasetError, match=r"says v3.0, but 1 of 4 files below data are named as in v2.1"):
        open_dataset(str(v3))
    change_info(v21, codebase_version="v3.0")
    with pytest.raises(DatasetError, match=r"says v3.0, but 9 of 9 files"):
        open_dataset(str(v21))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codebase_version": "v1.6"}, "is of version v1.6; read are v2.0, v2.1, v3.0"),
        ({"features": {}}, "has no feature `action`"),
        ({"features": {"action": {"dtype": "int64", "shape": [1]}}}, "type int64, not continuous"),
        ({"features": {"action": {"dtype": "float32", "shape": [2, 3]}}}, r"the actions have shape \(0, 2, 3\)"),
        ({"features": 3}, "info.json cannot be read"),
    ],
)
def test_strange_descriptions_are_refused(change: dict[str, Any], message: str, v3: Path) -> None:
    change_info(v3, **change)
    with pytest.raises(DatasetError, match=message):
        open_dataset(str(v3)).action_dim()


def test_without_pyarrow_the_hint_installs_it(v3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(DatasetError, match="is read with pyarrow, which is not installed") as refusal:
        open_dataset(str(v3)).contents()
    assert "pip install 'spirl[lerobot]'" in refusal.value.hint


def test_an_empty_data_folder_is_refused(v3: Path) -> None:
    shutil.rmtree(v3 / "data")
    with pytest.raises(DatasetError, match="data holds no parquet file"):
        open_dataset(str(v3))


def test_lists_of_different_lengths_are_refused(v3: Path) -> None:
    def uneven(table: Any) -> Any:
        values = [[0.0], [0.0, 0.0, 0.0], *table.column("action").to_pylist()[2:]]
        return replaced(table, "action", pa.array(values, pa.list_(pa.float32())))

    rewrite(v3 / DATA.format(0), uneven)
    with pytest.raises(DatasetError, match="the lists in `action` are not equally long"):
        list(open_dataset(str(v3)).episodes())


def test_names_may_contain_slashes(v3: Path) -> None:
    features = json.loads((v3 / "meta" / "info.json").read_text())["features"]
    renamed = {name.replace(STATE, "observation/arm/state"): feature for name, feature in features.items()}
    change_info(v3, features=renamed)
    for number in range(3):
        path = v3 / DATA.format(number)
        rewrite(path, lambda table: table.rename_columns(list(renamed)))
    parts = (ObservationPart(key="observation/arm/state", indices=(1,)), ObservationPart(key="observation.gripper"))
    for (states, _), episode in zip(EPISODES, open_dataset(str(v3)).episodes(), strict=True):
        np.testing.assert_array_equal(select(episode.observations, parts, leading=1), states[:, [1, 0]])
