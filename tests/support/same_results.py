"""Results compared bit by bit, and what a command that ended may not leave behind."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spirl_cli.monitor.checkpoint import read_state
from tests.support.warm import PATIENCE, Command


def payload(artifact: Path) -> dict[str, Any]:
    """Everything in an artifact that must not depend on when it was saved or interrupted, by name."""
    content: dict[str, Any] = {}
    replay = hashlib.sha256()
    for path in sorted(artifact.rglob("*")):
        name = path.relative_to(artifact).as_posix()
        if path.is_dir() or name.startswith(("tensorboard/", ".")) or name in ("manifest.json", "learning_curve.png"):
            continue
        if path.name.startswith("replay-"):
            replay.update(read_segment(path).tobytes())
        elif path.name.startswith("checkpoint-"):
            content[name] = checkpoint_content(path)
        elif path.name == "results.json":
            content[name] = [{**row, "command": None} for row in json.loads(path.read_text())["rows"]]
        else:
            content[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    metrics = json.loads((artifact / "manifest.json").read_text())["metrics"]
    return {**content, "replay": replay.hexdigest(), "metrics": metrics}


def read_segment(path: Path) -> np.ndarray:
    """Return the transitions of a segment of a replay memory."""
    with h5py.File(path) as file:
        return np.asarray(file["transitions"])


def checkpoint_content(path: Path) -> Any:
    """Return digests of the tensors and the scalars that the way to them does not change."""
    state = read_state(path)
    tensors = {name: hashlib.sha256(tensor.numpy().tobytes()).hexdigest() for name, tensor in state.tensors.items()}
    # how long it took, and into which segments the replay was cut, depends on when it was saved
    return tensors, {
        name: value for name, value in state.scalars.items() if name not in ("run", "replay", "replay_sha256")
    }


def assert_no_process_left(command: Command) -> None:
    """Environment workers must not outlive the learner."""
    deadline = time.monotonic() + PATIENCE
    while left := list(processes_of(command)):
        assert time.monotonic() < deadline, f"processes {left} are left of {command.pid}"
        time.sleep(0.02)


def processes_of(command: Command) -> Iterator[int]:
    """Yield the live processes of the session that a command leads, as far as the system tells."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue  # it has just ended
        if int(session) == command.pid and state not in "ZX":
            yield int(path.parent.name)
