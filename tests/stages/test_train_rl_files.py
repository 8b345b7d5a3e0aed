"""Snapshots and adopted files of the stage `agent` are on disk before their names are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from spirl_cli import files
from spirl_cli.files import SEAL_SUFFIX
from spirl_cli.skills.export_densities import export_policy
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, PriorShape
from spirl_cli.stages import train_rl
from spirl_cli.store.store import Store
from tests.support.agent_data import evaluation_context, make_agent, pendulum_recipe


@contextmanager
def every_name_needs_its_content(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Fail where a file takes its name before it was synced; yields the names that appeared."""
    synced: set[str] = set()
    named: list[str] = []
    real_sync, real_replace = files.sync, os.replace

    def sync(path: Path) -> None:
        real_sync(path)
        synced.add(str(path))

    def replace(source: Any, destination: Any) -> None:
        assert str(source) in synced, f"{destination} appeared before its content was on disk"
        named.append(str(destination))
        synced.discard(str(Path(destination).parent))
        real_replace(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", sync)
        patch.setattr(files.os, "replace", replace)
        yield named
    for path in named:
        assert str(Path(path).parent) in synced, f"the name of {path} is not on disk"


def without_seals(named: list[str]) -> list[str]:
    """Leave out the checksums that stand beside files."""
    return [path for path in named if not path.endswith(SEAL_SUFFIX)]


class Learning:
    """What `_save_snapshot` reads of a learner."""

    class section:
        squash = "none"

    class sac:
        policy = GaussianNetwork(Normalizer(torch.zeros(3), torch.ones(3)), PriorShape(2, width=4, depth=1))
        bounds = None


def test_a_snapshot_is_on_disk_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with every_name_needs_its_content(monkeypatch) as named:
        train_rl._save_snapshot(tmp_path, Learning(), 500)  # type: ignore[arg-type]
    assert without_seals(named) == [str(tmp_path / "snapshots" / "policy-500.safetensors")]
    export_policy(tmp_path / "same", Learning.sac.policy)
    assert Path(named[0]).read_bytes() == (tmp_path / "same").read_bytes()


def test_adopted_files_are_on_disk_before_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = pendulum_recipe()
    agent = make_agent(Store(tmp_path / "artifacts"), recipe)
    context = evaluation_context(tmp_path / "run", recipe, {"agent": agent})
    with every_name_needs_its_content(monkeypatch) as named:
        train_rl._adopt(agent, context)
    names = ["decoder.safetensors", "snapshots/policy-1000.safetensors", "snapshots/policy-500.safetensors"]
    assert sorted(without_seals(named)) == [str(tmp_path / "run" / name) for name in names]
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == agent.file(name).read_bytes()


def test_the_check_sees_a_write_without_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").write_bytes(b"half")
    with every_name_needs_its_content(monkeypatch), pytest.raises(AssertionError, match="before its content"):
        os.replace(tmp_path / "temporary", tmp_path / "file")
