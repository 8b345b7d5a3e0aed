"""Small artifacts and processes for tests of the store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spirl_cli.store.artifact import Artifact
from spirl_cli.store.fingerprint import fingerprint
from spirl_cli.store.manifest import InputRecord
from spirl_cli.store.store import Store
from spirl_cli.store.writer import Run, open_run
from tests.support.commands import cli_environment


def identity(stage: str, parameters: Mapping[str, Any], inputs: Mapping[str, InputRecord]) -> str:
    """Return the fingerprint of version 1 of a stage."""
    return fingerprint(stage, 1, parameters, {name: record.fingerprint for name, record in inputs.items()})


def commit(run: Run, parameters: Mapping[str, Any], keep: Sequence[str] = ("weights.bin",), **fields: Any) -> Artifact:
    """Commit a run with defaults for what a test leaves out."""
    fields = {"stage_version": 1, "inputs": {}, "seed": 0, **fields}
    return run.commit(parameters=parameters, keep=keep, **fields)


def make(
    store: Store,
    recipe: str = "kitchen",
    stage: str = "skills",
    parameters: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Artifact] | None = None,
    content: bytes = b"weights",
    **fields: Any,
) -> Artifact:
    """Make a small artifact the way a stage does."""
    parameters = {"horizon": 10} if parameters is None else parameters
    records = {name: artifact.as_input() for name, artifact in (inputs or {}).items()}
    with open_run(store, recipe, stage, identity(stage, parameters, records)) as run:
        (run.folder / "weights.bin").write_bytes(content)
        (run.folder / "checkpoint-1.safetensors").write_bytes(b"not kept")
        return commit(run, parameters, inputs=records, **fields)


def names_in(folder: Path) -> list[str]:
    """Return what a user sees in a folder: names without a leading dot."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def start_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start another process that uses the store."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=cli_environment())
