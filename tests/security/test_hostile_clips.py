"""Clips that a stranger wrote."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from spirl_cli.clips.reader import Clips
from spirl_cli.errors import ArtifactError
from tests.support.clip_data import make_clips


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    path = tmp_path / "clips.hdf5"
    make_clips(path, state_dim=3, action_dim=2, horizon=4)
    (tmp_path / "secret").write_bytes(b"private" * 100)
    with h5py.File(tmp_path / "other.hdf5", "w") as other:
        other["observations"] = np.zeros((9, 3), np.float32)
    return path


def test_links_to_other_files_are_refused(clips: Path) -> None:
    with h5py.File(clips, "a") as file:
        del file["observations"]
        file["observations"] = h5py.ExternalLink("other.hdf5", "/observations")
    with pytest.raises(ArtifactError, match=r"outside of the file: //observations"):
        Clips.open(clips)


def test_soft_links_are_refused(clips: Path) -> None:
    with h5py.File(clips, "a") as file:
        del file["starts/train"]
        file["starts/train"] = h5py.SoftLink("/starts/train")
    with pytest.raises(ArtifactError, match="outside of the file"):
        Clips.open(clips)


def test_data_in_other_files_are_refused(clips: Path) -> None:
    with h5py.File(clips, "a") as file:
        shape = file["observations"].shape
        del file["observations"]
        external = [(str(clips.parent / "secret"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("observations", shape, np.float32, external=external)
    with pytest.raises(ArtifactError, match="outside of the file"):
        Clips.open(clips)


def test_virtual_data_are_refused(clips: Path) -> None:
    with h5py.File(clips, "a") as file:
        del file["observations"]
        layout = h5py.VirtualLayout((9, 3), np.float32)
        layout[:] = h5py.VirtualSource(clips.parent / "other.hdf5", "observations", (9, 3))
        file.create_virtual_dataset("observations", layout)
    with pytest.raises(ArtifactError, match="outside of the file"):
        Clips.open(clips)


@pytest.mark.parametrize("name", ["observations", "actions", "episode_offsets", "starts"])
def test_clips_without_a_part_are_damaged(clips: Path, name: str) -> None:
    with h5py.File(clips, "a") as file:
        del file[name]
    with pytest.raises(ArtifactError, match="are damaged"):
        Clips.open(clips)


@pytest.mark.parametrize(("name", "value"), [("identity", "{"), ("identity", "[" * 9999), ("horizon", "x")])
def test_odd_attributes_are_damage(clips: Path, name: str, value: str) -> None:
    with h5py.File(clips, "a") as file:
        file.attrs[name] = value
    with pytest.raises(ArtifactError, match="are damaged"):
        Clips.open(clips)
