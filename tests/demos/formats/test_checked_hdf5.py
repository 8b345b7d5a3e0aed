"""HDF5 files that point elsewhere, promise too much, or are damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.errors import DatasetError
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart
from tests.support.demos_data import open_demonstrations
from tests.support.format_writers import make_episodes, write_flat, write_minari, write_robomimic, write_rollouts


def secret_file(folder: Path) -> Path:
    with h5py.File(folder / "secret.hdf5", "w") as file:
        file["observations"] = np.zeros((100, 5), np.float32)
        file["group/observations"] = np.zeros((100, 5), np.float32)
    return folder / "secret.hdf5"


def external_link(file: h5py.Group, name: str, secret: Path) -> None:
    file[name] = h5py.ExternalLink(str(secret), "/observations")


def soft_link_through_external(file: h5py.Group, name: str, secret: Path) -> None:
    file["elsewhere"] = h5py.ExternalLink(str(secret), "/group")
    file[name] = h5py.SoftLink(f"{file.name.rstrip('/')}/elsewhere/observations")


def external_storage(file: h5py.Group, name: str, secret: Path) -> None:
    file.create_dataset(name, (12, 5), "f4", external=[(str(secret), 0, 240)])


def virtual(file: h5py.Group, name: str, secret: Path) -> None:
    layout = h5py.VirtualLayout((100, 5), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "observations", (100, 5))
    file.create_virtual_dataset(name, layout)


def hollow(file: h5py.Group, name: str, secret: Path) -> None:
    file.create_dataset(name, (10**12, 5), "f4", chunks=(1024, 5))


FOREIGN: dict[Callable[..., None], str] = {
    external_link: "link to another file .*secret.hdf5",
    soft_link_through_external: "link to another file .*secret.hdf5",
    external_storage: "keeps its data in another file .*secret.hdf5",
    virtual: "virtual array",
    hollow: "declares 20,000,000,000,000 bytes",
}
foreign = pytest.mark.parametrize("replace", FOREIGN)


def read(path: Path, key: str | None = None) -> None:
    observation = WHOLE_OBSERVATION if key is None else (ObservationPart(key=key),)
    list(open_demonstrations(ExtractSection(dataset=str(path), observation=observation, action_bounds=(-1, 1), seed=0)))


@foreign
def test_flat_files_are_not_followed(replace: Callable[..., None], tmp_path: Path) -> None:
    path = write_flat(tmp_path / "a.hdf5", make_episodes(2))
    with h5py.File(path, "a") as file:
        del file["observations"]
        replace(file, "observations", secret_file(tmp_path))
    with pytest.raises(DatasetError, match=FOREIGN[replace]):
        read(path)


@foreign
def test_rollouts_are_not_followed(replace: Callable[..., None], tmp_path: Path) -> None:
    path = write_rollouts(tmp_path / "folder", make_episodes(2))
    with h5py.File(path / "rollout-001.h5", "a") as file:
        del file["observations"]
        replace(file.create_group("observations"), "state", secret_file(tmp_path))
        observations = np.zeros((12, 5))
    with h5py.File(path / "rollout-000.h5", "a") as file:
        del file["observations"]
        file["observations/state"] = observations
    with pytest.raises(DatasetError, match=FOREIGN[replace]):
        read(path, "state")


@foreign
def test_robomimic_is_not_followed(replace: Callable[..., None], tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "a.hdf5", make_episodes(2))
    with h5py.File(path, "a") as file:
        del file["data/demo_1/obs/state"]
        replace(file["data/demo_1/obs"], "state", secret_file(tmp_path))
    with pytest.raises(DatasetError, match=FOREIGN[replace]):
        read(path, "state")


@foreign
def test_minari_is_not_followed(replace: Callable[..., None], tmp_path: Path) -> None:
    path = write_minari(tmp_path / "own-v0", make_episodes(2))
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/observations"]
        replace(file["episode_1"], "observations", secret_file(tmp_path))
    with pytest.raises(DatasetError, match=FOREIGN[replace]):
        read(path)


def test_links_within_a_file_are_followed(tmp_path: Path) -> None:
    path = write_flat(tmp_path / "a.hdf5", make_episodes(2))
    with h5py.File(path, "a") as file:
        file.move("observations", "real/states")
        file["observations"] = h5py.SoftLink("/real/states")
    read(path)
    with h5py.File(path, "a") as file:
        del file["observations"]
        file["observations"] = h5py.SoftLink("/observations")
    with pytest.raises(DatasetError, match="cannot be read"):
        read(path)


def test_declared_actions_are_not_allocated(tmp_path: Path) -> None:
    path = write_rollouts(tmp_path / "folder", make_episodes(2))
    with h5py.File(path / "rollout-001.h5", "a") as file:
        del file["actions"]
        file.create_dataset("actions", (10**13, 2), "f8", chunks=(1000, 2), compression="gzip")
    with pytest.raises(DatasetError, match="actions declares 160,000,000,000,000 bytes"):
        open_dataset(str(path)).contents()


@pytest.mark.parametrize("write", [write_flat, write_rollouts, write_robomimic])
def test_overwritten_bytes_never_end_in_another_error(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(tmp_path / "data", make_episodes(2))
    file = path if path.is_file() else path / "rollout-001.h5"
    whole, refused = file.read_bytes(), 0
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in generator.integers(0, min(len(whole), 6000), 40):
            damaged[place] = generator.integers(256)
        file.write_bytes(damaged[: generator.integers(len(whole) // 2, len(whole) + 1)])
        try:
            read(path, "state" if write is write_robomimic else None)
        except DatasetError:
            refused += 1
    assert refused > 30


def test_files_of_macos_are_passed_over(tmp_path: Path) -> None:
    path = write_rollouts(tmp_path / "folder", make_episodes(2))
    (path / "._rollout-000.h5").write_bytes(b"\0\5\x16\7" + b"\0" * 60)
    assert len(list(open_dataset(str(path)).episodes())) == 2
