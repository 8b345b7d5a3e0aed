"""A finished agent whose files are damaged: more steps are not started from 0 without a word."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spirl_cli.store.store import Store
from tests.support.commands import MakeWorkspace, Workspace
from tests.support.hostile_data import all_files

LONGER = ("train-rl", "swing.yaml", "--set", "train_rl.steps=700", "--set", "train_rl.snapshots=[400]")


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "truncated": truncate,
    "emptied": lambda path: os.truncate(path, 0),
    "flipped": flip,
    "removed": lambda path: path.unlink(),
}


def agent_of(work: Workspace) -> Path:
    return next((work.folder / "artifacts" / "swing" / "agent").glob("v001-*"))


@pytest.mark.parametrize("damage", DAMAGE)
def test_more_steps_are_refused_and_nothing_is_lost(damage: str, workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior", "agent")
    pattern = "replay-*" if damage == "flipped" else "checkpoint-*"
    file = next(agent_of(work).glob(pattern))
    good = shutil.copy(file, work.folder / "good")
    DAMAGE[damage](file)
    before = all_files(agent_of(work))
    refused = work.spirl(*LONGER, code=3)
    assert "the steps of swing/agent@v1 cannot be continued" in refused.stderr and file.name in refused.stderr
    assert "put a good copy of the file back" in refused.stderr and "--no-resume" in refused.stderr
    assert "delete" not in refused.stderr and all_files(agent_of(work)) == before
    if damage == "flipped":
        return
    assert "continues swing/agent@v1" in work.spirl(*LONGER, "--dry-run").stdout
    shutil.copy(good, file)
    assert "resuming at" in work.spirl(*LONGER).stderr


def test_what_is_not_needed_may_be_damaged(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior", "agent")
    truncate(agent_of(work) / "policy.safetensors")
    assert "continuing swing/agent@v1" in work.spirl(*LONGER).stderr


def test_starting_anew_is_possible_and_keeps_the_damaged_one(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior", "agent")
    truncate(next(agent_of(work).glob("checkpoint-*")))
    before = all_files(agent_of(work))
    assert "resuming" not in work.spirl(*LONGER, "--no-resume").stderr
    assert all_files(agent_of(work)) == before


def test_the_same_steps_say_what_is_damaged(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior", "agent")
    truncate(agent_of(work) / "policy.safetensors")
    assert [entry.path for entry in Store(work.folder / "artifacts").broken()] == [agent_of(work)]
    assert "damaged: swing/agent@v1 is incomplete" in work.spirl("train-rl", "swing.yaml", "--dry-run").stdout
