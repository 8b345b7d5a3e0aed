"""Demonstrations saved for other tools: the same windows when they are read again, and readable by those tools."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.demos.saving.target import About, SavedEpisode, named_arrays, opened_target
from spirl_cli.errors import DatasetError
from spirl_cli.recipe.sections.extract import ExtractSection
from tests.support.commands import run_spirl
from tests.support.demos_data import open_demonstrations
from tests.support.format_writers import make_episodes

PYTHON = os.environ.get("LEROBOT_PYTHON")
EPISODES = make_episodes(4, states=3, actions=1)
FRAMES = [np.random.default_rng(n).integers(0, 256, (len(s), 12, 16, 3), np.uint8) for n, (s, _) in enumerate(EPISODES)]
ABOUT = About("Pendulum-v1", 20, np.full(1, -2, np.float32), np.full(1, 2, np.float32))
TARGETS = {  # format: target, key of the states, key of the camera
    "robomimic": ("saved.hdf5", "state", "top"),
    "lerobot": ("saved", "observation.state", "observation.images.top"),
    "minari": ("mine/saved-v0", "state", "top"),
}


def write_stored(folder: Path) -> Path:
    """Write a folder of rollouts with a camera."""
    folder.mkdir()
    for number, ((states, actions), frames) in enumerate(zip(EPISODES, FRAMES, strict=True)):
        with h5py.File(folder / f"{number}.h5", "w") as file:
            file["observations/arm/state"], file["observations/top"] = states, frames
            file["actions"] = actions[:-1]
            file.attrs.update(action_low=-2, action_high=2)
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_stored(tmp_path / "stored")
    path = tmp_path / "mine.yaml"
    path.write_text(
        "env: {kind: gymnasium, id: Pendulum-v1, episode_length: 60}\n"
        "extract: {dataset: stored, observation: [{key: arm/state}, {key: top, image: {size: [12, 16]}}]}\n"
    )
    return path


@pytest.mark.parametrize("format", TARGETS)
def test_saved_demonstrations_give_the_same_episodes(
    format: str, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if format == "lerobot":
        pytest.importorskip("pyarrow")
    target, state, camera = TARGETS[format]
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(recipe.parent / "minari"))
    arguments = ["demonstrations", recipe, target, "--save-format", format]
    done = run_spirl(*arguments, "--json", cwd=recipe.parent)
    assert json.loads(done.stdout) == {"target": target, "format": format, "episodes": 4}, done.stderr
    place = target if format == "minari" else str(recipe.parent / target)
    parts = [{"key": state}, {"key": camera, "image": {"size": [12, 16]}}]
    section = ExtractSection.model_validate({"dataset": place, "observation": parts, "action_bounds": (-2, 2)})
    for episode, (states, actions), frames in zip(open_demonstrations(section), EPISODES, FRAMES, strict=True):
        np.testing.assert_array_equal(episode.observations, states)
        np.testing.assert_array_equal(episode.actions, actions[:-1])
        np.testing.assert_array_equal(episode.images, frames)
    again = run_spirl(*arguments, cwd=recipe.parent)
    assert again.returncode == 2 and "already" in again.stderr


def test_demonstrations_that_a_domain_makes_are_saved(tmp_path: Path) -> None:
    done = run_spirl("demonstrations", "maze", "maze.hdf5", "--set", "extract.episodes=3", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "maze.hdf5\n"), done.stderr
    episodes = list(open_dataset(str(tmp_path / "maze.hdf5")).episodes())
    assert len(episodes) == 3 and all(len(episode.actions) > 0 for episode in episodes)


def test_robomimic_has_what_its_readers_look_for(tmp_path: Path) -> None:
    with opened_target(str(tmp_path / "a.hdf5"), "robomimic", ABOUT) as writer:
        for states, actions in EPISODES:
            writer.add(SavedEpisode({"state": states}, actions[:-1], np.ones(len(actions) - 1)))
    with h5py.File(tmp_path / "a.hdf5") as file:
        total = sum(len(actions) - 1 for _, actions in EPISODES)
        assert file["data"].attrs["total"] == total and json.loads(file["data"].attrs["env_args"])["type"] == 2
        for number, (states, actions) in enumerate(EPISODES):
            demo = file[f"data/demo_{number}"]
            rows = len(actions) - 1
            assert demo.attrs["num_samples"] == rows == len(demo["rewards"]) == demo["dones"][()].argmax() + 1
            np.testing.assert_array_equal(demo["obs/state"], states[:-1])
            np.testing.assert_array_equal(demo["next_obs/state"], states[1:])


def test_robomimic_reads_it(tmp_path: Path) -> None:
    dataset = pytest.importorskip("robomimic.utils.dataset")
    observed = pytest.importorskip("robomimic.utils.obs_utils")
    observed.initialize_obs_utils_with_obs_specs({"obs": {"low_dim": ["state"]}})
    with opened_target(str(tmp_path / "a.hdf5"), "robomimic", ABOUT) as writer:
        for states, actions in EPISODES:
            writer.add(SavedEpisode({"state": states}, actions[:-1], np.ones(len(actions) - 1)))
    read = dataset.SequenceDataset(
        str(tmp_path / "a.hdf5"), obs_keys=("state",), dataset_keys=("actions", "rewards", "dones"), load_next_obs=True
    )
    assert len(read) == sum(len(actions) - 1 for _, actions in EPISODES)
    np.testing.assert_array_equal(read[3]["actions"][0], EPISODES[0][1][3])
    np.testing.assert_array_equal(read[3]["next_obs"]["state"][0], EPISODES[0][0][4])


def write_lerobot(folder: Path) -> None:
    with opened_target(str(folder), "lerobot", ABOUT) as writer:
        for (states, actions), frames in zip(EPISODES, FRAMES, strict=True):
            named = named_arrays({"state": states, "arm": {"grip": states[:, :1]}, "top": np.moveaxis(frames, -1, 1)})
            writer.add(SavedEpisode(named, actions[:-1], np.arange(len(actions) - 1.0)))


READ = """
import sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

dataset = LeRobotDataset("some/one", root=sys.argv[1])
content = np.load(sys.argv[2])
assert (dataset.num_episodes, dataset.num_frames, dataset.fps) == (4, len(content["states"]), 20)
for row in range(dataset.num_frames):
    item = dataset[row]
    assert (item["observation.state"].numpy() == content["states"][row]).all()
    assert (np.round(item["observation.images.top"].numpy() * 255) == np.moveaxis(content["frames"][row], -1, 0)).all()
    assert item["task"] == "Pendulum-v1" and item["index"] == row
ends = list(dataset.meta.episodes["dataset_to_index"])
assert ends == content["ends"].tolist()
stats = dataset.meta.stats
assert np.allclose(stats["observation.state"]["mean"], content["states"].mean(0), atol=1e-6)
assert np.allclose(stats["observation.state"]["std"], content["states"].std(0), atol=1e-6)
assert stats["observation.images.top"]["mean"].shape == (3, 1, 1)
pairs = LeRobotDataset("some/one", root=sys.argv[1], delta_timestamps={"action": [0, 1 / 20, 2 / 20]})
assert pairs[0]["action"].shape[0] == 3
"""


def lerobot_python(code: str, *arguments: str | Path) -> None:
    environment = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": os.environ.get("LEROBOT_PYTHONPATH", "")}
    command = [str(PYTHON), "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not PYTHON, reason="LEROBOT_PYTHON does not name a Python with lerobot")
def test_lerobot_reads_it(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    write_lerobot(tmp_path / "saved")
    content = {
        "states": np.concatenate([states for states, _ in EPISODES]),
        "frames": np.concatenate(FRAMES),
        "ends": np.cumsum([len(states) for states, _ in EPISODES]),
    }
    np.savez(tmp_path / "content.npz", **content)
    lerobot_python(READ, tmp_path / "saved", tmp_path / "content.npz")


def test_lerobot_frames_are_those_of_the_states(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    write_lerobot(tmp_path / "saved")
    source = open_dataset(str(tmp_path / "saved"), None, ["observation.images.top"])
    for episode, (states, actions), frames in zip(source.episodes(), EPISODES, FRAMES, strict=True):
        np.testing.assert_array_equal(episode.observations["observation.state"], states)
        np.testing.assert_array_equal(episode.observations["observation.arm.grip"], states[:, :1])
        np.testing.assert_array_equal(episode.observations["observation.images.top"], frames)
        np.testing.assert_array_equal(episode.actions, actions[:-1])
    assert [note for note in source.notes if "differ" in note] == []


def test_nothing_appears_where_an_episode_does_not_fit(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    states, actions = EPISODES[0]
    with pytest.raises(DatasetError, match="episode 1 has other arrays"):
        with opened_target(str(tmp_path / "saved"), "lerobot", ABOUT) as writer:
            writer.add(SavedEpisode({"state": states}, actions[:-1], None))
            writer.add(SavedEpisode({"state": states[:, :2]}, actions[:-1], None))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "format", "message"),
    [
        ("a.npz", "robomimic", "is no name of a robomimic file"),
        ("a.hdf5", "lerobot", "is a file, but a LeRobotDataset is a folder"),
        ("nothing", "minari", "is no Minari dataset id"),
    ],
)
def test_names_that_do_not_go_with_a_format_are_refused(target: str, format: str, message: str, recipe: Path) -> None:
    done = run_spirl("demonstrations", recipe, target, "--save-format", format, cwd=recipe.parent)
    assert done.returncode == 2 and message in done.stderr
