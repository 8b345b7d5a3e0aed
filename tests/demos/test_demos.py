"""Sources of trajectories: what is read, selected, refused, and said about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

from spirl_cli.demos import download as download_module
from spirl_cli.demos.episode import ActionBounds, Episode, check_episode, join_short
from spirl_cli.demos.formats.minari import local_datasets
from spirl_cli.domains.kitchen.section import KITCHEN_POSITIONS
from spirl_cli.errors import DatasetError, UsageError
from spirl_cli.observation import select
from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart
from tests.support.datasets import MakeMinari, SyntheticMinari
from tests.support.demos_data import open_demonstrations, section

BOUNDS = ActionBounds(np.full(2, -1, np.float32), np.full(2, 1, np.float32))
NESTED = {
    "robot": {"qpos": np.arange(4.0), "flag": np.array(True)},
    "image": np.arange(6, dtype=np.uint8).reshape(2, 3),
}


def parts(*chosen: dict[str, Any]) -> tuple[ObservationPart, ...]:
    return tuple(ObservationPart(**part) for part in chosen)


# Selection


def test_select_concatenates_keys_and_indices_in_order() -> None:
    chosen = parts(
        {"key": "image", "indices": [0, "-2:"]}, {"key": "robot/qpos", "indices": ["2:4"]}, {"key": "robot/flag"}
    )
    selected = select(NESTED, chosen)
    np.testing.assert_array_equal(selected, [0, 4, 5, 2, 3, 1])
    assert selected.dtype == np.float32


def test_select_keeps_leading_axes() -> None:
    batch = {"a": np.arange(24.0).reshape(3, 2, 4), "b": np.arange(3.0)}
    selected = select(batch, parts({"key": "b"}, {"key": "a", "indices": [0, 7]}), leading=1)
    np.testing.assert_array_equal(selected, [[0, 0, 7], [1, 8, 15], [2, 16, 23]])


def test_select_takes_plain_arrays_tuples_and_never_aliases() -> None:
    array = np.arange(3, dtype=np.float32)
    selected = select(array, WHOLE_OBSERVATION)
    assert not np.shares_memory(selected, array)
    np.testing.assert_array_equal(select((array, {"x": array[:1]}), parts({"key": "1/x"})), [0])


def test_select_reads_only_the_chosen_parts_of_an_hdf5_group(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["robot/qpos"] = np.ones((3, 2))
        file["camera/text"] = "not numeric, not read"
        assert select(file, parts({"key": "robot/qpos"}), leading=1).shape == (3, 2)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"key": "robot/qposs"}, "no key 'robot/qposs'.*Did you mean 'qpos'"),
        ({"key": "robot/qpos/x"}, "plain array"),
        ({"key": "robot"}, "not one array but has the keys flag, qpos"),
        ({"key": "robot/qpos", "indices": ["2:9"]}, "'robot/qpos'.*out of range"),
        ({"key": "name"}, "not numeric"),
    ],
)
def test_select_explains_what_is_missing(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select({**NESTED, "name": np.array("x")}, parts(chosen))


# Checks of one episode


def good(steps: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((steps + 1, 4)), np.zeros((steps, 2))


def test_a_good_episode_becomes_float32_and_rounding_is_clipped() -> None:
    observations, actions = good()
    actions[1] = [1.0009, -1.0009]
    episode = check_episode(7, observations, actions, BOUNDS)
    assert episode.observations.dtype == episode.actions.dtype == np.float32
    np.testing.assert_array_equal(episode.actions[1], [1, -1])
    assert (episode.number, episode.steps) == (7, 3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda o, a: (np.where(np.arange(4) == 2, np.nan, o), a), "episode 7: 4 of 4 observations hold NaN"),
        (lambda o, a: (o, a + np.array([[0], [np.inf], [0]])), "episode 7: 1 of 3 actions.*first at step 1"),
        (lambda o, a: (o[:-1], a), "episode 7: observations have shape .3, 4.; expected 4"),
        (lambda o, a: (o, a[:, :1]), r"episode 7: actions have shape \(3, 1\)"),
        (lambda o, a: (o, a[:, 0]), r"episode 7: actions have shape \(3,\)"),
        (lambda o, a: (o, a.astype(int)), "episode 7: .* type int64"),
        (lambda o, a: (o, a - [0, 1.01]), "episode 7: action -1.01 at step 0, dimension 1 lies outside"),
    ],
)
def test_bad_episodes_are_refused_with_their_number(spoil: Callable[..., Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        check_episode(7, *spoil(*good()), BOUNDS)


def test_join_short_glues_to_the_next_episode() -> None:
    def made(number: int, steps: int) -> Episode:
        return Episode(number, np.full((steps + 1, 1), number, np.float32), np.full((steps, 1), number, np.float32))

    joined = list(join_short([made(0, 3), made(1, 1), made(2, 1), made(3, 2), made(4, 1)], shortest=3))
    assert [(episode.number, episode.steps) for episode in joined] == [(0, 3), (1, 4), (4, 1)]
    np.testing.assert_array_equal(joined[1].observations[:, 0], [1, 2, 3, 3, 3])
    np.testing.assert_array_equal(joined[1].actions[:, 0], [1, 2, 3, 3])


# Minari


def test_minari_episodes_are_selected_and_complete(synthetic_minari: SyntheticMinari) -> None:
    demonstrations = open_demonstrations(section(synthetic_minari.kitchen, observation=KITCHEN_POSITIONS))
    episodes = list(demonstrations)
    assert [episode.number for episode in episodes] == list(range(12)) and len(demonstrations) == 12
    assert all(episode.observations.shape == (episode.steps + 1, 30) for episode in episodes)
    assert sum(episode.steps for episode in episodes) == demonstrations.identity.steps
    np.testing.assert_array_equal(demonstrations.bounds.high, np.ones(9))


def test_minari_plain_observations_bounds_and_limit(synthetic_minari: SyntheticMinari) -> None:
    demonstrations = open_demonstrations(section(synthetic_minari.pendulum, episodes=3))
    assert [episode.observations.shape for episode in demonstrations] == [(61, 3)] * 3
    assert demonstrations.bounds.low.tolist() == [-2] and len(demonstrations) == 3
    assert demonstrations.identity.episodes == 8


def test_recipe_bounds_replace_those_of_the_dataset(synthetic_minari: SyntheticMinari) -> None:
    narrow = open_demonstrations(section(synthetic_minari.pendulum, action_bounds=(-0.5, 0.5)))
    assert narrow.bounds.high.tolist() == [0.5]
    with pytest.raises(DatasetError, match=r"minari:test/pendulum-v0: episode 0: action .* outside of \[-0.5, 0.5\]"):
        list(narrow)


def test_missing_observation_key_names_dataset_and_episode(synthetic_minari: SyntheticMinari) -> None:
    demonstrations = open_demonstrations(section(synthetic_minari.kitchen, observation=parts({"key": "observations"})))
    with pytest.raises(DatasetError, match=r"kitchen-v0: episode 0: .*Did you mean 'observation'"):
        list(demonstrations)


@pytest.mark.parametrize(("space", "kind"), [(Discrete(3), "Discrete"), (MultiDiscrete([2, 2]), "MultiDiscrete")])
def test_discrete_actions_are_refused(make_minari: MakeMinari, space: Discrete | MultiDiscrete, kind: str) -> None:
    actions = np.array([space.sample() for _ in range(4)])
    make_minari("test/discrete-v0", [(np.zeros((5, 1)), actions)], Box(-1, 1, (1,)), space)
    with pytest.raises(DatasetError, match=f"{kind}.*not continuous"):
        open_demonstrations(section("test/discrete-v0"))


def test_infinite_bounds_need_the_recipe(make_minari: MakeMinari) -> None:
    make_minari("test/open-v0", [good()], Box(-1, 1, (4,), np.float64), Box(-np.inf, np.inf, (2,), np.float64))
    with pytest.raises(DatasetError, match="bounds") as refused:
        open_demonstrations(section("test/open-v0"))
    assert "extract.action_bounds" in refused.value.hint
    assert len(list(open_demonstrations(section("test/open-v0", action_bounds=(-1, 1))))) == 1


def test_nan_in_a_minari_episode_is_refused_with_its_number(make_minari: MakeMinari) -> None:
    bad = good()
    bad[0][2, 1] = np.nan
    space = Dict({"state": Box(-1, 1, (4,), np.float64)})
    episodes = [({"state": observations}, actions) for observations, actions in (good(), bad)]
    make_minari("test/nan-v0", episodes, space, Box(-1, 1, (2,), np.float64))
    with pytest.raises(DatasetError, match="episode 1: 1 of 4 observations hold NaN or infinity, the first at step 2"):
        list(open_demonstrations(section("test/nan-v0", observation=parts({"key": "state"}))))


def test_a_damaged_minari_dataset_is_explained(make_minari: MakeMinari, tmp_path: Path) -> None:
    make_minari("test/torn-v0", [good()], Box(-1, 1, (4,), np.float64), Box(-1, 1, (2,), np.float64))
    data = tmp_path / "minari" / "test" / "torn-v0" / "data"
    (data / "main_data.hdf5").write_bytes(b"torn")
    with pytest.raises(DatasetError, match=r"torn-v0: .*main_data.hdf5 cannot be read as HDF5"):
        list(open_demonstrations(section("test/torn-v0")))
    (data / "metadata.json").write_text("{")
    with pytest.raises(DatasetError, match="cannot be read") as refused:
        open_demonstrations(section("test/torn-v0"))
    assert "minari download test/torn-v0" in refused.value.hint


# Not on this machine


def test_offline_and_not_local_is_said_within_seconds(
    synthetic_minari: SyntheticMinari, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(DatasetError, match=r"'test/kitchn-v0'.*cannot be reached.*'test/kitchen-v0'") as error:
        open_demonstrations(section("test/kitchn-v0"))
    for way_out in (
        "minari download test/kitchn-v0",
        str(synthetic_minari.path),
        "extract.dataset",
        "test/pendulum-v0",
    ):
        assert way_out in error.value.hint


def test_a_silent_server_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "REACH_SECONDS", 0.2)
    answered = threading.Event()

    def silent(*args: Any, **kwargs: Any) -> None:
        answered.wait()
        raise OSError("too late")

    monkeypatch.setattr("urllib.request.urlopen", silent)
    with pytest.raises(DatasetError, match=r"no answer within 0\.2 s"):
        open_demonstrations(section("test/any-v0"))
    answered.set()


@pytest.fixture
def answering_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server on this machine that takes the place of the one with the datasets; it answers with an error."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield
        server.shutdown()
        thread.join()


def install_minari(folder: Path, monkeypatch: pytest.MonkeyPatch, download: str) -> None:
    """Put a package called minari before the real one for processes that start from now on."""
    folder.mkdir()
    (folder / "minari.py").write_text(f"def download_dataset(name):\n    {download}\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.usefixtures("answering_server")
def test_a_refused_download_leaves_no_data_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    install_minari(tmp_path / "package", monkeypatch, "print('chatter'); raise ValueError('no such version.')")
    with pytest.raises(DatasetError, match="download failed: no such version") as error:
        open_demonstrations(section("test/any-v0"))
    assert "chatter" not in error.value.message
    lock = tmp_path / "minari" / ".making-test-any-v0-lock"  # stays, since taking a lock away would free it for two
    assert list((tmp_path / "minari").iterdir()) == [lock]


@pytest.mark.usefixtures("answering_server")
def test_a_download_arrives_whole(
    synthetic_minari: SyntheticMinari,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    origin = synthetic_minari.path / synthetic_minari.pendulum
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    fetch = f"import os, shutil; shutil.copytree({str(origin)!r}, os.environ['MINARI_DATASETS_PATH'] + '/' + name)"
    install_minari(tmp_path / "package", monkeypatch, f"print('chatter'); {fetch}")
    said: list[str] = []
    assert len(open_demonstrations(section(synthetic_minari.pendulum), said.append)) == 8
    assert len(said) == 1 and "downloading test/pendulum-v0" in said[0]
    assert local_datasets() == ["test/pendulum-v0"]
    assert capfd.readouterr().out == ""
