"""`spirl inspect`: what is in a dataset, and what spirl would do with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spirl_cli.demos.saving.target import About, SavedEpisode, opened_target
from tests.support.commands import RunCli
from tests.support.datasets import MakeMinari, SyntheticMinari
from tests.support.format_writers import (
    Episodes,
    make_episodes,
    write_flat,
    write_lerobot_v3,
    write_minari_arrow,
    write_ogbench,
    write_robomimic,
    write_rollouts,
    write_zarr,
)

EPISODES = make_episodes(count=5)


def inspected(command: RunCli, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """Run `spirl inspect --json` and return the object that it prints."""
    done = command("inspect", *arguments, "--json")
    assert done.returncode == code, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("write", "name", "words", "keys"),
    [
        (write_flat, "a.hdf5", "D4RL HDF5 file", [None]),
        (write_rollouts, "folder", "folder of HDF5 rollouts", [None]),
        (write_robomimic, "b.hdf5", "robomimic", ["state"]),
        (write_ogbench, "c.npz", "OGBench npz file", [None]),
        (write_zarr, "d.zarr", "zarr folder", ["state"]),
        (write_lerobot_v3, "lerobot", "LeRobotDataset", ["observation.state", "observation.gripper"]),
    ],
)
def test_every_format_is_named_and_measured(
    write: Any, name: str, words: str, keys: list[str | None], tmp_path: Path, command: RunCli
) -> None:
    found = inspected(command, write(tmp_path / name, EPISODES))
    states = np.concatenate([states for states, _ in EPISODES])
    assert words in found["format"]
    assert (found["episodes"], found["episodes_read"], found["error"]) == (5, 5, None)
    assert found["lengths"] == {"min": 11, "median": 13, "max": 15}
    assert sorted(one["key"] or "" for one in found["observations"]) == sorted(key or "" for key in keys)
    whole = next(one for one in found["observations"] if one["shape"] == [5])
    assert whole["low"] == pytest.approx(states.min()) and whole["high"] == pytest.approx(states.max())
    assert any("does not say the bounds" in sentence for sentence in found["advice"])


def test_a_minari_dataset_is_shown_as_a_plain_table(synthetic_minari: SyntheticMinari, command: RunCli) -> None:
    done = command("inspect", synthetic_minari.kitchen)
    assert done.returncode == 0, done.stderr
    assert "Minari dataset" in done.stdout and "40 to 60 steps, median 49.5" in done.stdout
    assert "desired_goal/microwave" in done.stdout and "1 constant (0)" in done.stdout
    assert "[{key: observation}, {key: desired_goal/microwave}]" in done.stdout
    assert "beyond their bounds at 0.00% of the steps" in done.stdout


def test_a_limit_of_episodes_is_kept_and_said(tmp_path: Path, command: RunCli) -> None:
    path = write_flat(tmp_path / "a.hdf5", EPISODES)
    assert inspected(command, path, "--episodes", "2")["episodes_read"] == 2
    assert "5 of 65 steps (the first 2 read, see --episodes)" in command("inspect", path, "--episodes", "2").stdout


def test_faults_that_a_recipe_can_mend_are_counted(tmp_path: Path, command: RunCli) -> None:
    states, actions = (np.concatenate([episode[side] for episode in EPISODES]) for side in (0, 1))
    path = write_flat(tmp_path / "a.hdf5", EPISODES)
    with h5py.File(path, "a") as file:
        states[3, 1], states[:, 4], actions[2:5, 0] = np.nan, 7.0, 1.5
        file["observations"][:], file["actions"][:] = states, actions
        file.attrs["action_low"], file.attrs["action_high"] = -1.0, 1.0
    found = inspected(command, path)
    (observation,) = found["observations"]
    assert (observation["nan"], observation["infinite"], observation["constants"]) == (1, 0, [4])
    assert found["actions"]["beyond"] == [3, 0] and found["actions"]["share_beyond"] == pytest.approx(3 / 65)
    advice = " ".join(found["advice"])
    assert "extract.bad_episodes" in advice and "extract.out_of_bounds" in advice


def test_rewards_and_success_are_measured_where_files_have_them(tmp_path: Path, command: RunCli) -> None:
    path = write_flat(tmp_path / "a.hdf5", EPISODES)
    with h5py.File(path, "a") as file:
        rows = len(file["actions"])
        file["rewards"], file["infos/success"] = np.linspace(0, 3, rows), np.arange(rows) % 2 == 0
    outcomes = {one["name"]: one for one in inspected(command, path)["outcomes"]}
    assert outcomes["rewards"]["high"] == 3.0 and outcomes["rewards"]["mean"] == pytest.approx(1.5)
    assert outcomes["success"]["mean"] == pytest.approx(0.5, abs=0.02)


def moving(seeds: range) -> Episodes:
    """Make smooth episodes that start in different places."""
    episodes = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        steps = generator.normal(size=6) * 0.02 + 0.002 * generator.normal(size=(60, 6))
        states = 5 * generator.normal(size=6) + np.cumsum(steps, axis=0)
        episodes.append((states.astype(np.float32), np.zeros((60, 2), np.float32)))
    return episodes


def test_resets_inside_of_episodes_are_found(tmp_path: Path, command: RunCli) -> None:
    right = moving(range(4))
    states, actions = (np.concatenate([episode[side] for episode in right]) for side in (0, 1))
    joined = [(states[:120], actions[:120]), (states[120:], actions[120:])]
    assert inspected(command, write_flat(tmp_path / "right.hdf5", right))["windows"]["jumps"] == []
    found = inspected(command, write_flat(tmp_path / "joined.hdf5", joined))["windows"]
    assert found["jumps"] == [[0, 59], [1, 59]] and "windows would cross it" in found["sentence"]


def test_images_are_to_be_marked_and_texts_cannot_be_used(make_minari: MakeMinari, command: RunCli) -> None:
    from gymnasium.spaces import Box, Dict

    camera, joints = Box(0, 255, (6, 6, 3), np.uint8), Box(-np.inf, np.inf, (2,))
    episode = {"camera": np.full((13, 6, 6, 3), 9, np.uint8), "joints": np.random.default_rng(0).normal(size=(13, 2))}
    space = Dict({"camera": camera, "joints": joints})
    make_minari("test/camera-v0", [(episode, np.zeros((12, 2)))] * 2, space, Box(-1, 1, (2,)))
    found = {one["key"]: one for one in inspected(command, "test/camera-v0")["observations"]}
    assert found["camera"]["image"] and "an image" in found["camera"]["use"] and found["camera"]["high"] == 9
    assert found["joints"]["use"] == "to be named"


def test_a_page_of_pictures_is_drawn(tmp_path: Path, command: RunCli) -> None:
    path = write_flat(tmp_path / "a.hdf5", EPISODES)
    done = command("inspect", path, "--plot", "page.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    assert command("inspect", path, "--plot", "page.pdf").returncode == 2


def test_what_can_be_read_of_a_damaged_dataset_is_shown(tmp_path: Path, command: RunCli) -> None:
    folder = write_rollouts(tmp_path / "folder", EPISODES)
    damaged = sorted(folder.iterdir())[3]
    with h5py.File(damaged, "a") as file:
        del file["observations"]
    found = inspected(command, folder, code=3)
    assert found["episodes_read"] == 3 and "rollout-003" in found["error"]["message"]


def test_discrete_actions_are_refused_after_what_was_seen(tmp_path: Path, command: RunCli) -> None:
    path = write_ogbench(tmp_path / "a.npz", [(states, actions.astype(int)) for states, actions in EPISODES])
    done = command("inspect", path)
    assert done.returncode == 3 and "not continuous" in done.stderr
    assert "(plain array)" in done.stdout and "actions are int64, not continuous" in done.stdout


@pytest.mark.parametrize(
    ("name", "message"), [("test/pendulum-v1", "Did you mean 'test/pendulum-v0'"), ("./no", "no such")]
)
def test_a_dataset_that_is_not_there_exits_with_3(
    name: str, message: str, synthetic_minari: SyntheticMinari, command: RunCli
) -> None:
    done = command("inspect", name)
    assert (done.returncode, done.stdout) == (3, "") and message in done.stderr


def test_several_datasets_are_shown_with_whether_they_fit(tmp_path: Path, command: RunCli) -> None:
    names = [write_ogbench(tmp_path / "a.npz", EPISODES), write_flat(tmp_path / "b.hdf5", make_episodes(3))]
    both = json.loads(command("inspect", *names, "--json").stdout)
    assert [one["dataset"] for one in both["datasets"]] == list(map(str, names)) and both["differences"] == []
    shown = command("inspect", *names).stdout
    assert "they hold the same observations and actions" in shown and shown.count("\nformat ") == 2
    names.append(write_robomimic(tmp_path / "c.hdf5", make_episodes(3, actions=3)))
    apart = json.loads(command("inspect", *names, "--json").stdout)["differences"]
    assert apart == [
        f"{names[0]} has the observations (plain array) 5; {names[2]} has state 5",
        f"{names[0]} has actions of 2 numbers, those of {names[2]} have 3",
    ]
    refused = command("inspect", *names, "--plot", "a.png")
    assert refused.returncode == 2 and "--plot draws one dataset, not 3" in refused.stderr


def test_rewards_of_other_formats_are_measured(tmp_path: Path, command: RunCli) -> None:
    pytest.importorskip("pyarrow")
    zarr = pytest.importorskip("zarr")
    rewards = np.linspace(0, 3, sum(len(actions) for _, actions in EPISODES))
    root = zarr.open_group(str(write_zarr(tmp_path / "a.zarr", EPISODES)), mode="a")
    root.create_array("data/reward", shape=rewards.shape, dtype=rewards.dtype, chunks=(16,))
    root["data/reward"][:] = rewards
    npz = write_ogbench(tmp_path / "b.npz", EPISODES)
    np.savez(tmp_path / "c.npz", **np.load(npz), rewards=rewards)
    about = About("any", 20, np.full(2, -1, np.float32), np.full(2, 1, np.float32))
    with opened_target(str(tmp_path / "lerobot"), "lerobot", about) as writer:
        writer.add(SavedEpisode({"state": EPISODES[0][0]}, EPISODES[0][1][:-1], np.linspace(3, 0, 11)))
    write_minari_arrow(tmp_path / "arrow", EPISODES)
    expected = {
        "a.zarr": ("reward", 1.5),
        "c.npz": ("rewards", 1.5),
        "lerobot": ("next.reward", 1.375),  # of 12 frames, the last of which has none
        "arrow": ("rewards", 0.0),
    }
    for name, (key, mean) in expected.items():
        (found,) = inspected(command, tmp_path / name)["outcomes"]
        assert found["name"] == key and found["mean"] == pytest.approx(mean, abs=1e-6), name
