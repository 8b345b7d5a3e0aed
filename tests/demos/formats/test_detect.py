"""Formats are told by content; what is none is described."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.errors import DatasetError
from tests.support.format_writers import make_episodes, write_flat, write_ogbench, write_robomimic, write_rollouts


def test_kinds_are_named(tmp_path: Path) -> None:
    episodes = make_episodes(2)
    kinds = {
        write_flat(tmp_path / "a", episodes): "hdf5",
        write_robomimic(tmp_path / "b", episodes): "robomimic",
        write_rollouts(tmp_path / "c", episodes): "hdf5",
        write_ogbench(tmp_path / "d.npz", episodes): "ogbench",
    }
    assert {path: open_dataset(str(path)).kind for path in kinds} == kinds


def test_a_folder_with_one_robomimic_file_is_that_file(tmp_path: Path) -> None:
    write_robomimic(tmp_path / "low_dim_v141.hdf5", make_episodes(2))
    assert open_dataset(str(tmp_path)).kind == "robomimic"
    write_robomimic(tmp_path / "other.hdf5", make_episodes(2))
    with pytest.raises(DatasetError, match=r"holds 2 HDF5 files, of which low_dim_v141.hdf5 is a robomimic file"):
        open_dataset(str(tmp_path))


def test_a_filter_key_is_for_robomimic_alone(tmp_path: Path) -> None:
    path = write_flat(tmp_path / "a.hdf5", make_episodes(2))
    with pytest.raises(DatasetError, match="only robomimic files have masks"):
        open_dataset(str(path), filter_key="train")


def lone_rollout(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["observations"], file["actions"] = np.zeros((3, 1)), np.zeros((2, 1))


def other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["weights/layer"] = 1.0


def other_npz(path: Path) -> None:
    np.savez(path, x=1)


def bytes_of(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lone_rollout, "is a rollout of one episode"),
        (
            other_hdf5,
            r"layout that is not known: it has weights; looked for were `observations` and `actions` \(D4RL\)",
        ),
        (other_npz, "is a zip archive of x.npy; looked for were the arrays `observations`"),
        (bytes_of(b""), "it is empty"),
        (bytes_of(b"PAR1 and more"), "it is a parquet file"),
        (bytes_of(b"ARROW1\0\0"), "it is an Arrow file"),
        (bytes_of(pickle.dumps({})), "it is a pickle, which is never read"),
        (bytes_of(b"\0\5\x16\7" + b"\0" * 60), "a file of attributes that macOS adds"),
        (bytes_of(b"\x1f\x8b\x08"), "it is compressed with gzip"),
        (bytes_of(b"time,x,y\n"), "it begins with b'time,x,y"),
        (bytes_of(b"version https://git-lfs.github.com/spec/v1\noid"), "is a Git LFS pointer"),
    ],
)
def test_what_is_not_recognised_is_described(write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"  # the name promises too much
    write(path)
    with pytest.raises(DatasetError, match=message) as refusal:
        open_dataset(str(path))
    assert str(path) in refusal.value.message and refusal.value.hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("play-v0.npz", "name one of its npz files"),
        ("data/chunk-000/file-000.parquet", "copy or download its meta folder too"),
        ("one-v0/data/metadata.json", "name the folder of one"),
        ("notes.txt", "read are: Minari"),
    ],
)
def test_folders_that_are_not_recognised_say_what_they_hold(name: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(DatasetError, match=f"it holds: {name.split('/')[0]}") as refusal:
        open_dataset(str(tmp_path / "folder"))
    assert hint in refusal.value.hint
