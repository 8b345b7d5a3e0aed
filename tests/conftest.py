"""Fixtures for all tests: small Minari datasets, an isolated environment, the command line.

The datasets are made once per session and only read. `synthetic_minari` makes them the local
Minari datasets of a test; without it a test sees none, whatever the machine has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.commands import SWING, MakeWorkspace, RunCli, Workspace, cli_environment, run_spirl
from tests.support.datasets import (
    MakeMinari,
    SyntheticMinari,
    episode_buffer,
    make_kitchen_dataset,
    make_pendulum_dataset,
    write_minari,
)
from tests.support.warm import WarmServer

ISOLATED = ("SPIRL_ARTIFACTS", "SPIRL_CHECKPOINT_SECONDS", "MINARI_REMOTE")


def pytest_configure() -> None:
    """Compute with one thread, here and in subprocesses, whose weights are compared bit by bit."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


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
def make_minari(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeMinari:
    """Return ``make(id, episodes, observation_space, action_space)`` for a dataset of the test's own.

    An episode is a pair of observations (T+1 each, nested as in the space) and actions (T, A).
    """
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))

    def make(dataset_id: str, episodes: Sequence[tuple[Any, np.ndarray]], *spaces: Any) -> None:
        write_minari(dataset_id, [episode_buffer(*episode) for episode in episodes], *spaces)

    return make


@pytest.fixture
def run_cli(tmp_path: Path) -> RunCli:
    """Return ``run_cli(*arguments, cwd=tmp_path, timeout=120, input=None, **environment)``.

    It runs the command line as a process of its own, as a user would, from an empty folder.
    Keyword arguments in capitals are environment variables.
    """

    def run(*arguments: str | Path, cwd: Path = tmp_path, **options: Any) -> subprocess.CompletedProcess[str]:
        return run_spirl(*arguments, cwd=cwd, **options)

    return run


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
def workspace(swing: Workspace, tmp_path: Path) -> MakeWorkspace:
    """Return ``workspace(*stages, name="work")``: a new one with the artifacts of these stages of `swing`."""

    def make(*stages: str, name: str = "work") -> Workspace:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(swing.folder / "swing.yaml", folder)
        for stage in stages:
            shutil.copytree(swing.folder / "artifacts/swing" / stage, folder / "artifacts/swing" / stage)
        return Workspace(folder, swing.server, swing.variables)

    return make
