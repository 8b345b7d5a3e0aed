"""Trajectories in HDF5 files, and the identity of datasets."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from spirl_cli.demos import download as download_module
from spirl_cli.errors import DatasetError
from spirl_cli.settings import ObservationPart
from tests.support.commands import run_python
from tests.support.datasets import SyntheticMinari
from tests.support.demos_data import identify, open_demonstrations, section

ROBOT = (ObservationPart(key="robot/qpos"),)


def flat_file(path: Path, lengths: tuple[int, ...] = (3, 5), **more: np.ndarray) -> Path:
    rows = sum(lengths)
    ends = np.isin(np.arange(rows), np.cumsum(lengths) - 1)
    arrays = {
        "observations": np.arange(rows, dtype=np.float64)[:, None] * [1, 10],
        "actions": np.linspace(-1, 1, rows, dtype=np.float32)[:, None],
        "terminals": ends & (np.arange(rows) < lengths[0]),
        "timeouts": ends & (np.arange(rows) >= lengths[0]),
        **more,
    }
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file.attrs.update(action_low=-1.0, action_high=[1.0])
    return path


def test_d4rl_file_drops_the_action_without_a_next_state(tmp_path: Path) -> None:
    first, second = open_demonstrations(section(flat_file(tmp_path / "a.hdf5")))
    np.testing.assert_array_equal(first.observations[:, 0], [0, 1, 2])
    np.testing.assert_array_equal(second.observations[:, 0], [3, 4, 5, 6, 7])
    assert (first.steps, second.steps) == (2, 4)


def test_d4rl_file_with_next_observations_keeps_every_action(tmp_path: Path) -> None:
    following = (np.arange(8.0)[:, None] + 1) * [1, 10]
    demonstrations = open_demonstrations(section(flat_file(tmp_path / "a.hdf5", next_observations=following)))
    first, second = demonstrations
    np.testing.assert_array_equal(first.observations[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(second.observations[-1], [8, 80])
    assert demonstrations.identity.steps == first.steps + second.steps == 8


def test_d4rl_flags_may_be_partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spirl_cli.demos.formats.flat.FLAG_ROWS", 3)
    path = flat_file(tmp_path / "a.hdf5", (3, 5, 4))
    with h5py.File(path, "a") as file:
        del file["timeouts"]
        file["terminals"][:] = np.arange(12) == 2
    assert [episode.steps for episode in open_demonstrations(section(path))] == [2, 8]
    with h5py.File(path, "a") as file:
        del file["terminals"]
    with pytest.raises(DatasetError, match="neither `terminals` nor `timeouts`"):
        open_demonstrations(section(path))


def rollout_folder(path: Path, count: int = 3, steps: int = 4, size: int = 2) -> Path:
    path.mkdir()
    for number in range(count):
        with h5py.File(path / f"rollout-{number:03}.hdf5", "w") as file:
            file["observations/robot/qpos"] = np.full((steps + 1, size), number, np.float64)
            file["actions"] = np.full((steps, 2), 0.01 * number)
            file.attrs.update(action_low=-1, action_high=1)
    return path


def test_rollout_folder_reads_files_in_order(tmp_path: Path) -> None:
    folder = rollout_folder(tmp_path / "rollouts")
    (folder / "notes.txt").write_text("ignored")
    episodes = list(open_demonstrations(section(folder, observation=ROBOT)))
    assert [episode.observations[0, 0] for episode in episodes] == [0, 1, 2]
    assert all(episode.observations.shape == (5, 2) and episode.actions.shape == (4, 2) for episode in episodes)


def test_unusable_hdf5_files_are_explained(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.hdf5").write_text("text")
    integer = flat_file(tmp_path / "integer.hdf5", actions=np.zeros(8, int))
    uneven = flat_file(tmp_path / "uneven.hdf5", observations=np.zeros((5, 2)))
    nothing = flat_file(tmp_path / "nothing.hdf5", (0,), observations=np.zeros((0, 2)))
    unbounded = flat_file(tmp_path / "unbounded.hdf5")
    with h5py.File(unbounded, "a") as file:
        del file.attrs["action_low"]
    refused = {
        tmp_path / "missing.hdf5": "no such file or folder",
        tmp_path / "empty": "holds no",
        tmp_path / "text.hdf5": "cannot be read as HDF5",
        integer: "type int64, not continuous",
        uneven: "5 observations but 8 actions",
        nothing: "has no episodes",
        unbounded: "does not say the bounds",
    }
    for path, message in refused.items():
        with pytest.raises(DatasetError, match=message):
            open_demonstrations(section(path))


def test_rollout_with_a_wrong_number_of_states_is_refused(tmp_path: Path) -> None:
    folder = rollout_folder(tmp_path / "rollouts")
    with h5py.File(folder / "rollout-001.hdf5", "a") as file:
        del file["actions"]
        file["actions"] = np.zeros((5, 2))
    with pytest.raises(DatasetError, match=r"episode 1: observations have shape \(5, 2\); expected 6"):
        list(open_demonstrations(section(folder, observation=ROBOT)))


def test_rollouts_with_different_bounds_are_refused(tmp_path: Path) -> None:
    folder = rollout_folder(tmp_path / "rollouts")
    with h5py.File(folder / "rollout-001.hdf5", "a") as file:
        file.attrs.update(action_low=-1, action_high=[1, 1.5])
    with pytest.raises(DatasetError, match=r"rollout-001.hdf5 has the action bounds -1, -1 to 1, 1.5, rollout-000"):
        open_demonstrations(section(folder, observation=ROBOT))
    given = section(folder, observation=ROBOT, action_bounds=(-1, 1))
    assert len(list(open_demonstrations(given))) == 3


def test_streaming_holds_one_episode_in_memory(tmp_path: Path) -> None:
    folder = rollout_folder(tmp_path / "rollouts", count=30, steps=500, size=50)  # 200 kB each, 6 MB in all
    demonstrations = open_demonstrations(section(folder, observation=ROBOT))
    tracemalloc.start()
    try:
        assert sum(episode.steps for episode in demonstrations) == 15_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000


# Identity


def test_identity_follows_content_not_name(tmp_path: Path) -> None:
    first, copy = (identify(section(flat_file(tmp_path / name))) for name in ("a.hdf5", "b.hdf5"))
    changed = identify(section(flat_file(tmp_path / "c.hdf5", (4, 4))))
    assert first is not None and copy is not None and changed is not None
    assert first.sha256 == copy.sha256 != changed.sha256
    assert (first.reference, first.episodes, first.steps) == (f"hdf5:{tmp_path / 'a.hdf5'}", 2, 6)


def test_identity_is_remembered_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = flat_file(tmp_path / "a.hdf5")
    before = identify(section(path))
    with monkeypatch.context() as patch:
        patch.setattr("spirl_cli.demos.identity.sha256_file", lambda path: pytest.fail("read again"))
        assert identify(section(path)) == before
    flat_file(path, (4, 4))
    after = identify(section(path))
    assert before is not None and after is not None and after.sha256 != before.sha256


def test_identity_works_without_a_writable_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert identify(section(flat_file(tmp_path / "a.hdf5"))) is not None


def test_what_is_not_local_has_no_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "_unreachable", lambda server: pytest.fail("asked the network"))
    assert identify(section("test/any-v0")) is None
    assert identify(section(tmp_path / "missing.hdf5")) is None


def test_identifying_imports_nothing_heavy(synthetic_minari: SyntheticMinari) -> None:
    code = (
        "import sys; from spirl_cli.stages.extract import identify; from spirl_cli.recipe.schema import Recipe;"
        f"extract = {{'dataset': {synthetic_minari.kitchen!r}}};"
        "assert identify(Recipe(id='k', env={'kind': 'kitchen'}, extract=extract)) is not None;"
        "print({'torch', 'mujoco', 'gymnasium', 'minari'} & set(sys.modules))"
    )
    assert run_python(code).stdout == "set()\n"
