"""robomimic and LIBERO files: order, masks, final observations, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.errors import DatasetError
from spirl_cli.observation import select
from spirl_cli.settings import ObservationPart
from tests.support.format_writers import make_episodes, write_robomimic, write_robomimic_with_next


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_robomimic(tmp_path / "low_dim.hdf5", make_episodes(12))


def test_demonstrations_are_in_the_order_of_their_numbers(path: Path) -> None:
    source = open_dataset(str(path))
    assert [len(episode.actions) for episode in source.episodes()] == [rows - 1 for rows in range(12, 24)]
    assert source.notes == [
        f"robomimic file {path}: 12 demonstrations have no final observation (`next_obs`), so the last action of each "
        "is left out"
    ]


def test_a_filter_key_takes_the_demonstrations_of_a_mask(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["mask/train"] = np.array([b"demo_10", b"demo_2"])
        file["mask/valid"] = np.array([b"demo_99"])
    source = open_dataset(str(path), filter_key="train")
    assert [len(episode.actions) for episode in source.episodes()] == [13, 21]
    assert (source.contents().episodes, source.contents().steps) == (2, 34)
    with pytest.raises(DatasetError, match=r"no mask 'trian'. Did you mean 'train'") as refusal:
        open_dataset(str(path), filter_key="trian").contents()
    assert refusal.value.hint == "its masks are: train, valid"
    with pytest.raises(DatasetError, match="'valid' lists demo_99, which `data` does not hold"):
        open_dataset(str(path), filter_key="valid").contents()


def test_masks_that_are_not_used_are_named(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["mask/train"] = np.array([b"demo_1"])
    source = open_dataset(str(path))
    assert len(list(source.episodes())) == 12
    assert "all demonstrations are used; it also has the masks train" in source.notes[-1]


def test_an_incomplete_next_obs_is_as_none(tmp_path: Path) -> None:
    path = write_robomimic_with_next(tmp_path / "a.hdf5", make_episodes(3))
    with h5py.File(path, "a") as file:
        file["data/demo_1/obs/object"] = np.zeros((12, 2))
    source = open_dataset(str(path))
    assert [len(episode.actions) for episode in source.episodes()] == [11, 11, 13]
    assert "1 demonstrations have no final observation" in source.notes[0]


def test_keys_may_be_nested_and_contain_dots(path: Path) -> None:
    with h5py.File(path, "a") as file:
        for number in range(12):
            file[f"data/demo_{number}/obs/camera/pose.left"] = np.full((12 + number, 3), number)
    parts = (ObservationPart(key="camera/pose.left"), ObservationPart(key="state", indices=(0,)))
    for number, episode in enumerate(open_dataset(str(path)).episodes()):
        assert set(episode.observations) == {"state", "camera"}
        assert select(episode.observations, parts, leading=1)[:, 2].tolist() == [number] * (12 + number)


def no_obs(file: h5py.File) -> None:
    for demo in file["data"].values():
        del demo["obs"]


def few_states(file: h5py.File) -> None:
    states = file["data/demo_3/obs/state"][:-2]
    del file["data/demo_3/obs/state"]
    file["data/demo_3/obs/state"] = states


def wrong_count(file: h5py.File) -> None:
    file["data/demo_3"].attrs["num_samples"] = 9


def stranger(file: h5py.File) -> None:
    file["data/backup"] = 1


def no_actions(file: h5py.File) -> None:
    del file["data/demo_3/actions"]


def whole_numbers(file: h5py.File) -> None:
    del file["data/demo_0/actions"]
    file["data/demo_0/actions"] = np.zeros((12, 2), int)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_obs, "demo_0 has no `obs`: this is a raw recording"),
        (few_states, "demo_3: /data/demo_3/obs/state has 13 rows, but there are 15 actions"),
        (wrong_count, "demo_3: the attribute num_samples is 9, but there are 15 actions"),
        (stranger, "`data` holds backup among the demonstrations"),
        (no_actions, "demo_3 has no `actions`"),
        (whole_numbers, "demo_0: the actions are of type int64, not continuous"),
    ],
)
def test_refusals(spoil: Callable[[h5py.File], None], message: str, path: Path) -> None:
    with h5py.File(path, "a") as file:
        spoil(file)
    source = open_dataset(str(path))
    with pytest.raises(DatasetError, match=message):
        source.action_dim()
        source.contents()


def test_bounds_may_be_attributes_of_data(path: Path) -> None:
    assert open_dataset(str(path)).action_bounds() is None
    with h5py.File(path, "a") as file:
        file["data"].attrs.update(action_low=[-1.0, 0.0], action_high=[1.0, 0.04])
    bounds = open_dataset(str(path)).action_bounds()
    assert bounds is not None
    np.testing.assert_allclose(bounds, [[-1, 0], [1, 0.04]])
