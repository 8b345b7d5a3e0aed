"""Fixtures for all tests: small Minari datasets, an isolated environment, the command line.

The datasets are made once per session and only read. `synthetic_minari` makes them the local
Minari datasets of a test; without it a test sees none, whatever the machine has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.warm import Command, WarmServer

CHECKOUT = Path(__file__).resolve().parent.parent
KITCHEN_START = (
    (0.148, -1.768, 1.844, -2.477, 0.260, 0.713, 1.595, 0.048, 0.037)  # robot
    + (0.0,) * 14  # burners, switches, cabinets, microwave at rest
    + (-0.269, 0.350, 1.619, 1.006, 0.004, -0.007, 0.0)  # kettle
)
ISOLATED = ("SPIRL_ARTIFACTS", "SPIRL_CHECKPOINT_SECONDS", "MINARI_REMOTE")


def pytest_configure() -> None:
    """Compute with one thread, here and in subprocesses, whose weights are compared bit by bit."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class SyntheticMinari:
    """A folder of Minari datasets, and the names of those in it.

    Attributes:
        path: value for MINARI_DATASETS_PATH.
        kitchen: 12 episodes of 40 to 60 steps, shaped like those of FrankaKitchen-v1.
        pendulum: 8 episodes of 60 steps of Pendulum-v1 under a simple controller.
    """

    path: Path
    kitchen: str = "test/kitchen-v0"
    pendulum: str = "test/pendulum-v0"


@pytest.fixture(autouse=True)
def isolated_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's artifacts, datasets and cache from every test."""
    for name in ISOLATED:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("isolated")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(home / "minari"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))


@pytest.fixture(scope="session")
def minari_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyntheticMinari]:
    """Make the synthetic datasets, once per session."""
    datasets = SyntheticMinari(tmp_path_factory.mktemp("minari"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(datasets.path))
        make_kitchen_dataset(datasets.kitchen)
        make_pendulum_dataset(datasets.pendulum)
    yield datasets


@pytest.fixture
def synthetic_minari(minari_folder: SyntheticMinari, monkeypatch: pytest.MonkeyPatch) -> SyntheticMinari:
    """Make the synthetic datasets the local ones of this test and of commands it runs."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(minari_folder.path))
    return minari_folder


@pytest.fixture
def make_minari(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return ``make(id, episodes, observation_space, action_space)`` for a dataset of the test's own.

    An episode is a pair of observations (T+1 each, nested as in the space) and actions (T, A).
    """
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))

    def make(dataset_id: str, episodes: Sequence[tuple[Any, np.ndarray]], *spaces: Any) -> None:
        write_minari(dataset_id, [_episode(*episode) for episode in episodes], *spaces)

    return make


RunCli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_cli(tmp_path: Path) -> RunCli:
    """Return ``run_cli(*arguments, cwd=tmp_path, timeout=120, input=None, **environment)``.

    It runs the command line as a process of its own, as a user would, from an empty folder.
    Keyword arguments in capitals are environment variables.
    """

    def run(
        *arguments: str | Path,
        cwd: Path = tmp_path,
        timeout: float = 120.0,
        input: str | None = None,
        **environment: str | Path,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "spirl_cli", *map(str, arguments)],
            cwd=cwd,
            env=cli_environment(**environment),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


def cli_environment(**more: str | Path) -> dict[str, str]:
    """Return the environment for a subprocess: one thread, and this checkout importable."""
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    plain = {"PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"}
    return {**os.environ, **threads, **plain, **{name: str(value) for name, value in more.items()}}


def make_kitchen_dataset(dataset_id: str, episodes: int = 12, seed: int = 0) -> None:
    """Write a Minari dataset with the spaces of FrankaKitchen-v1 and smooth made-up motions."""
    generator = np.random.default_rng(seed)
    lengths = np.linspace(40, 60, episodes).astype(int)
    buffers = [_kitchen_episode(generator, int(steps)) for steps in lengths]
    write_minari(dataset_id, buffers, _kitchen_space(), _box(9, 1.0))


def make_pendulum_dataset(dataset_id: str, episodes: int = 8, steps: int = 60) -> None:
    """Write a Minari dataset of Pendulum-v1 under an energy-shaping controller."""
    import gymnasium as gym

    env = gym.make("Pendulum-v1", max_episode_steps=steps)
    buffers = [_pendulum_episode(env, seed) for seed in range(episodes)]
    write_minari(dataset_id, buffers, env.observation_space, env.action_space)
    env.close()


def write_minari(dataset_id: str, episodes: list[dict[str, Any]], observation_space: Any, action_space: Any) -> None:
    """Write a dataset through Minari's own interface."""
    import minari
    from minari.data_collector import EpisodeBuffer

    buffers = [EpisodeBuffer(id=number, **episode) for number, episode in enumerate(episodes)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Minari misses an env_spec, which spirl does not need
        minari.create_dataset_from_buffers(
            dataset_id,
            buffers,
            observation_space=observation_space,
            action_space=action_space,
            algorithm_name="made up for tests",
            author="tests",
            author_email="tests@example.com",
            code_permalink="https://example.com",
            description="made up for tests",
        )


def _episode(observations: Any, actions: np.ndarray) -> dict[str, Any]:
    steps = len(actions)
    return {
        "observations": observations,
        "actions": actions,
        "rewards": np.zeros(steps),
        "terminations": np.zeros(steps, bool),
        "truncations": np.arange(steps) == steps - 1,
    }


def _kitchen_episode(generator: np.random.Generator, steps: int) -> dict[str, Any]:
    """A robot that follows slow random velocities, and a microwave door that it opens."""
    phase, pace = generator.uniform(0, 2 * np.pi, 9), generator.uniform(0.02, 0.1, 9)
    actions = 0.6 * np.sin(phase + pace * np.arange(steps)[:, None])  # (T, 9)
    positions = np.tile(KITCHEN_START, (steps + 1, 1))  # (T+1, 30)
    positions[1:, :9] += np.cumsum(0.05 * actions, axis=0)
    positions[:, 22] = -0.75 * np.clip(np.linspace(-1, 1, steps + 1), 0, 1)
    velocities = np.diff(positions, axis=0, append=positions[-1:]) / 0.08
    robot = np.concatenate([positions[:, :9], velocities[:, :9]], axis=1)
    objects = np.concatenate([positions[:, 9:], velocities[:, 10:]], axis=1)
    door = positions[:, 22:23]
    observations = {
        "observation": np.concatenate([robot, objects], axis=1),  # (T+1, 59)
        "achieved_goal": {"microwave": door},
        "desired_goal": {"microwave": np.full_like(door, -0.75)},
    }
    return _episode(observations, actions)


def _kitchen_space() -> Any:
    from gymnasium.spaces import Dict

    goal = Dict({"microwave": _box(1)})
    return Dict({"observation": _box(59), "achieved_goal": goal, "desired_goal": goal})


def _box(size: int, bound: float = np.inf) -> Any:
    from gymnasium.spaces import Box

    return Box(-bound, bound, (size,), np.float64)


def _pendulum_episode(env: Any, seed: int) -> dict[str, Any]:
    observations, actions, done = [env.reset(seed=seed)[0]], [], False
    while not done:
        cosine, sine, speed = observations[-1]
        energy = 0.5 * speed**2 + 15 * (cosine - 1)
        torque = -10 * sine - 2 * speed if cosine > 0.9 else -0.3 * energy * np.sign(speed)
        actions.append(np.clip([torque], -2, 2).astype(np.float32))
        observation, _, terminated, truncated, _ = env.step(actions[-1])
        observations.append(observation)
        done = terminated or truncated
    return _episode(np.array(observations), np.array(actions))


@dataclass
class Workspace:
    """A folder in which commands run, each a process of its own (see `tests/support/warm.py`)."""

    folder: Path
    server: WarmServer
    variables: dict[str, str | Path]

    def start(self, *arguments: str | Path, **environment: str | Path) -> Command:
        """Start ``spirl *arguments``; keyword arguments are environment variables."""
        return self.server.start(
            *arguments, cwd=self.folder, environment=cli_environment(**{**self.variables, **environment})
        )

    def spirl(self, *arguments: str | Path, code: int = 0, **environment: str | Path) -> Command:
        """Run a command to its end and check its exit code."""
        done = self.start(*arguments, **environment).wait()
        assert done.returncode == code, f"{arguments} exited with {done.returncode}: {done.stderr}"
        return done

    def artifact(self, *arguments: str | Path, **environment: str | Path) -> Path:
        """Run a command and return the path that it prints."""
        return self.folder / self.spirl(*arguments, **environment).stdout.strip()


SWING = """\
# Swings a pendulum badly: every stage takes a second.
env: {kind: gymnasium, id: Pendulum-v1, episode_length: 40}
extract: {dataset: test/pendulum-v0}
train_skills:
  {horizon: 5, latent_dim: 2, iterations: 100, validate_every: 40, batch_size: 16, best_of: 2,
   encoder_width: 8, decoder_width: 8, decoder_depth: 1, augmentation: {state_noise: [{indices: ["0:3"], sigma: 0.02}]}}
train_prior: {iterations: 100, validate_every: 40, batch_size: 16, width: 8, depth: 1}
train_rl:
  {steps: 600, warmup_steps: 100, environments: 2, batch_size: 16, critic_width: 8, policy_width: 8, log_every: 100,
   snapshots: [400, 5000]}
evaluate: {episodes: 20, environments: 2, video_episodes: 0, bootstrap: 20}
"""


@pytest.fixture(scope="session")
def warm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmServer]:
    """The process behind all workspaces."""
    server = WarmServer(tmp_path_factory.mktemp("streams"), cli_environment())
    yield server
    server.close()


@pytest.fixture(scope="session")
def swing(
    warm_server: WarmServer, minari_folder: SyntheticMinari, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """A workspace with the recipe ``swing.yaml`` and all artifacts of its pipeline; only read it."""
    folder = tmp_path_factory.mktemp("swing")
    (folder / "swing.yaml").write_text(SWING)
    variables = {"MINARI_DATASETS_PATH": minari_folder.path, "XDG_CACHE_HOME": folder / "cache"}
    whole = Workspace(folder, warm_server, variables)
    whole.spirl("run", "swing.yaml")
    return whole


@pytest.fixture
def workspace(swing: Workspace, tmp_path: Path) -> Callable[..., Workspace]:
    """Return ``workspace(*stages, name="work")``: a new one with the artifacts of these stages of `swing`."""

    def make(*stages: str, name: str = "work") -> Workspace:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(swing.folder / "swing.yaml", folder)
        for stage in stages:
            shutil.copytree(swing.folder / "artifacts/swing" / stage, folder / "artifacts/swing" / stage)
        return Workspace(folder, swing.server, swing.variables)

    return make
