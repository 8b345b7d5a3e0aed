"""Datasets that name files elsewhere: in archives, and in what LeRobot's description says of paths."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.errors import DatasetError
from tests.support.format_writers import make_episodes, write_lerobot_v3, write_ogbench, write_zarr_archive

EPISODES = make_episodes(4)
CHANGES = {
    "data_path": "../../../private/file-{file_index:03d}.parquet",
    "video_path": "/etc/passwd",
    "chunks_size": 10**18,
    "total_episodes": -1,
}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("write", "end"), [(write_ogbench, ".npz"), (write_zarr_archive, ".zip")])
@pytest.mark.parametrize("name", ["../evil", "/tmp/spirl-evil", "a/../../evil", "C:\\evil", "data/../../evil/.zarray"])
def test_files_of_an_archive_are_not_unpacked(write: Callable[..., Path], end: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "folder"
    folder.mkdir(parents=True)
    path = write(folder / f"data{end}", EPISODES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"evil")
    before = everything(tmp_path)
    episodes = list(open_dataset(str(path)).episodes())
    assert len(episodes) == len(EPISODES)
    assert everything(tmp_path) == before and not Path("/tmp/spirl-evil").exists()


@pytest.mark.parametrize("key", CHANGES)
@pytest.mark.parametrize("text", ["{episode_index.__class__.__mro__}", "%s", None])
def test_paths_in_a_description_lead_nowhere(key: str, text: str | None, tmp_path: Path) -> None:
    folder = write_lerobot_v3(tmp_path / "in" / "set", EPISODES)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "file-000.parquet").write_bytes(b"private")
    info = folder / "meta" / "info.json"
    value = CHANGES[key] if text is None or not isinstance(CHANGES[key], str) else text
    info.write_text(json.dumps({**json.loads(info.read_text()), key: value}))
    try:
        actions = [episode.actions for episode in open_dataset(str(folder)).episodes()]
    except DatasetError as error:
        assert "private" not in error.message.replace(str(tmp_path), "")
    else:
        np.testing.assert_array_equal(np.concatenate(actions), np.concatenate([made[1][:-1] for made in EPISODES]))
