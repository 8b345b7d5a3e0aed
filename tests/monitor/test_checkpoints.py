"""States and checkpoints: they read back exactly, and damage is found and named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spirl_cli.errors import ArtifactError, SpirlError
from spirl_cli.monitor.checkpoint import CheckpointFolder, State, merge, read_state, write_state
from tests.support.monitor_data import assert_same


def awkward_state() -> State:
    shared = torch.arange(6, dtype=torch.float32)
    return State(
        tensors={
            "whole": shared,
            "part": shared[2:4],
            "transposed": torch.arange(6).reshape(2, 3).T,
            "scalar": torch.tensor(1e-40, dtype=torch.float64),
            "empty": torch.zeros(0, 4),
            "flags": torch.tensor([True, False]),
            "half": torch.tensor([1.5], dtype=torch.bfloat16),
        },
        scalars={"big": 2**127 + 1, "third": 1 / 3, "best": float("inf"), "nested": {"a": [1, None, "ü", True]}},
    )


def test_a_state_reads_back_exactly(tmp_path: Path) -> None:
    write_state(tmp_path / "state", awkward_state())
    assert_same(read_state(tmp_path / "state"), awkward_state())


def test_equal_states_are_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_state(tmp_path / name, awkward_state())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, np.float32(1), np.zeros(2), {"deep": [{1}]}])
def test_scalars_that_json_would_change_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(TypeError, match=r"scalars\.odd"):
        write_state(tmp_path / "state", State(scalars={"odd": value}))
    assert list(tmp_path.iterdir()) == []


def test_merging_parts_that_share_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'a'"):
        merge(State(scalars={"a": 1}), State(scalars={"a": 1}))


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "foreign", "missing"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state"
    write_state(path, awkward_state())
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-9] ^= 1
    path.write_bytes(
        {"truncate": bytes(content[:-5]), "empty": b"", "foreign": b"hello" * 9}.get(damage, bytes(content))
    )
    if damage == "missing":
        path.unlink()
    with pytest.raises(ArtifactError, match=str(path)):
        read_state(path)


def test_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "run", keep=2)
    assert folder.latest() is None
    for step in (9, 10, 100):
        folder.save(State(scalars={"step": step}), step)
    assert folder.steps() == [10, 100]
    latest = folder.latest()
    assert latest is not None and latest[0] == 100 and latest[1].scalars == {"step": 100}


def test_a_corrupt_newest_checkpoint_is_skipped_with_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    folder = CheckpointFolder(tmp_path, warn=warnings.append)
    folder.save(State(scalars={"step": 1}), 1)
    folder.save(State(scalars={"step": 2}), 2).write_bytes(b"half")
    latest = folder.latest()
    assert latest is not None and latest[0] == 1
    assert len(warnings) == 1 and "checkpoint-2.safetensors" in warnings[0]


@pytest.mark.parametrize("operation", ["replace", "fsync"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_failing_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, nth: int
) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(State(scalars={"step": 1}), 1)
    folder.save(State(scalars={"step": 2}), 2)
    calls, real = [0], getattr(os, operation)

    def failing(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, operation, failing)
    try:
        folder.save(State(scalars={"step": 3}), 3)
    except SpirlError as error:
        assert "is full" in error.message and " needs " in error.message
    latest = folder.latest()
    assert latest is not None and latest[0] in (2, 3) and latest[1].scalars == {"step": latest[0]}
    assert not list(tmp_path.glob(".*.tmp"))
