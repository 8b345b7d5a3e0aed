"""The same states and camera in every format give the same states and images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest

from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.errors import DatasetError
from spirl_cli.recipe.sections.extract import ExtractSection
from tests.support.demos_data import open_demonstrations
from tests.support.format_writers import STATE, make_episodes, write_lerobot_v3, write_lerobot_v21
from tests.support.lerobot_cameras import add_pictures, film

EPISODES = make_episodes(5)  # the last action of each has no next state
FILMS = film([len(actions) for _, actions in EPISODES], (12, 16))
SIZE = [12, 16]
LEROBOT_CAMERA = "observation.images.top"


def joined() -> dict[str, np.ndarray]:
    ends = np.cumsum([len(actions) for _, actions in EPISODES])
    return {
        "actions": np.concatenate([actions for _, actions in EPISODES]),
        "terminals": np.isin(np.arange(ends[-1]) + 1, ends),
    }


def flat(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in joined().items():
            file[name] = values
        file["observations"], file["camera"] = (np.concatenate(all) for all in ([s for s, _ in EPISODES], FILMS))
        file["rewards"], file["version"] = np.zeros(3), 1.0
    return path


def ogbench(path: Path) -> Path:
    states = np.concatenate([states for states, _ in EPISODES])
    np.savez(path, observations=np.concatenate(FILMS), qpos=states[:, :3], qvel=states[:, 3:], **joined())
    return path


def rollouts(path: Path) -> Path:
    path.mkdir()
    for number, ((states, actions), frames) in enumerate(zip(EPISODES, FILMS, strict=True)):
        with h5py.File(path / f"{number}.h5", "w") as file:
            file["observations/state"], file["actions"] = states, actions[:-1]
            file.create_dataset("observations/camera", data=np.moveaxis(frames, -1, 1), chunks=(1, 3, *SIZE))
    return path


def robomimic(path: Path, following: bool = False) -> Path:
    with h5py.File(path, "w") as file:
        for number, ((states, actions), frames) in enumerate(zip(EPISODES, FILMS, strict=True)):
            demo, rows = file.create_group(f"data/demo_{number}"), len(actions) - following
            demo["actions"], demo["obs/state"], demo["obs/camera"] = actions[:rows], states[:rows], frames[:rows]
            if following:
                demo["next_obs/state"], demo["next_obs/camera"] = states[1:], frames[1:]
    return path


def robomimic_with_next(path: Path) -> Path:
    return robomimic(path, following=True)


def minari(path: Path, data_format: str = "hdf5") -> Path:
    import minari
    from gymnasium.spaces import Box, Dict
    from minari.data_collector import EpisodeBuffer

    space = Dict({"state": Box(-np.inf, np.inf, (5,)), "camera": Box(0, 255, (*SIZE, 3), np.uint8)})
    buffers = []
    for number, ((states, actions), frames) in enumerate(zip(EPISODES, FILMS, strict=True)):
        nothing = [0.0] * (len(actions) - 1)
        seen = {"state": states, "camera": frames}
        buffers.append(EpisodeBuffer(number, None, None, seen, actions[:-1], nothing, nothing, nothing))
    root = path.parent / "root"
    with mock.patch.dict(os.environ, MINARI_DATASETS_PATH=str(root)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an env_spec, an author and so on are missing
        minari.create_dataset_from_buffers(
            "any-v0", buffers, observation_space=space, action_space=Box(-1, 1, (2,)), data_format=data_format
        )
    return (root / "any-v0").rename(path)


def minari_arrow(path: Path) -> Path:
    return minari(path, "arrow")


def zarr(path: Path) -> Path:
    import zarr as library

    ends = np.cumsum([len(actions) for _, actions in EPISODES])
    root = library.open_group(str(path), mode="w", zarr_format=2)
    states, frames = np.concatenate([states for states, _ in EPISODES]), np.concatenate(FILMS)
    contents = {"data/state": states, "data/action": joined()["actions"], "data/camera": frames}
    for name, values in {**contents, "meta/episode_ends": ends.astype(np.int64)}.items():
        root.create_array(name, shape=values.shape, dtype=values.dtype, chunks=(8, *values.shape[1:]))[:] = values
    return path


def lerobot_v3(path: Path) -> Path:
    add_pictures(write_lerobot_v3(path, EPISODES), LEROBOT_CAMERA, FILMS)
    return path


def lerobot_v21(path: Path) -> Path:
    add_pictures(write_lerobot_v21(path, EPISODES), LEROBOT_CAMERA, FILMS)
    return path


FORMATS: dict[Callable[[Path], Path], tuple[str, tuple[str | None, ...], str, str | None]] = {
    # writer: file or folder, keys of the states and of the camera, library
    flat: ("a.hdf5", (None,), "camera", None),
    ogbench: ("visual.npz", ("qpos", "qvel"), "observations", None),
    rollouts: ("folder", ("state",), "camera", None),
    robomimic: ("image.hdf5", ("state",), "camera", None),
    robomimic_with_next: ("image.hdf5", ("state",), "camera", None),
    minari: ("own-v0", ("state",), "camera", None),
    minari_arrow: ("own-v0", ("state",), "camera", "pyarrow"),
    zarr: ("a.zarr", ("state",), "camera", "zarr"),
    lerobot_v3: ("folder", (STATE,), LEROBOT_CAMERA, "pyarrow"),
    lerobot_v21: ("folder", (STATE,), LEROBOT_CAMERA, "pyarrow"),
}


@pytest.mark.parametrize("large", [0, 2**20])
@pytest.mark.parametrize("write", FORMATS)
def test_states_and_images_are_those_of_the_episodes(
    write: Callable[[Path], Path], large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spirl_cli.demos.formats.rows.LARGE_BYTES", large)  # 0: every array is read in blocks
    monkeypatch.setattr("spirl_cli.camera.BLOCK_BYTES", 5 * FILMS[0][0].nbytes)  # read in several blocks
    place, states, camera, library = FORMATS[write]
    if library is not None:
        pytest.importorskip(library)
    parts = [*({"key": key} for key in states), {"key": camera, "image": {"size": SIZE}}]
    values = {"dataset": str(write(tmp_path / place)), "observation": parts, "action_bounds": (-1, 1)}
    found = open_demonstrations(ExtractSection.model_validate(values))
    for episode, (expected, actions), frames in zip(found, EPISODES, FILMS, strict=True):
        np.testing.assert_array_equal(episode.observations, expected)
        np.testing.assert_array_equal(episode.actions, actions[:-1])
        assert episode.images is not None and episode.images.dtype == np.uint8
        np.testing.assert_array_equal(episode.images, frames)


def test_arrays_of_another_length_are_no_observations(tmp_path: Path) -> None:
    path = flat(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        del file["camera"]
        file["camera"] = FILMS[0]
    episodes = open_dataset(str(path)).episodes()
    first = next(iter(episodes))
    np.testing.assert_array_equal(first.observations["observations"], EPISODES[0][0])
    with pytest.raises(DatasetError, match="`camera` has 12 rows, but there are 70 actions"):
        first.observations["camera"]


def test_flat_files_with_next_observations_have_no_images(tmp_path: Path) -> None:
    """The image of the last state would be missing."""
    path = flat(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        file["next_observations"] = np.roll(file["observations"][()], -1, 0)
    episodes = open_dataset(str(path)).episodes()
    first = next(iter(episodes))
    assert isinstance(first.observations, np.ndarray) and first.observations.shape == (13, 5)
