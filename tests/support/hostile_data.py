"""Artifacts as a stranger could write them: an honest one, whose manifest is then changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spirl_cli.seals import break_seal
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.names import MANIFEST
from spirl_cli.store.store import Store
from tests.support.store_data import make

Change = Callable[[dict[str, Any]], None]
Value = bool | int | float | str | list[Any] | dict[str, Any] | None
DEEP: Any = json.loads("[" * 500 + "]" * 500)


def put(value: Value, *keys: str | int) -> Change:
    """Return a change of a manifest that puts a value under nested keys."""

    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def make_hostile(root: Path, change: Change, recipe: str = "evil") -> Path:
    """Make an artifact with its clips, change its manifest, and return its folder."""
    store = Store(root)
    artifact = make(store, recipe, inputs={"clips": make(store, recipe, stage="clips")}, metrics={"loss": 0.5})
    rewrite(artifact, change)
    return artifact.path


def rewrite(artifact: Artifact, change: Change) -> None:
    """Change the manifest of an artifact."""
    path = artifact.path / MANIFEST
    content = json.loads(path.read_text())
    change(content)
    break_seal(path)  # as who changes a manifest on purpose would
    path.write_text(json.dumps(content))


def output(path: Path, name: str) -> dict[str, Any]:
    """Return the record of a file, with the right size and checksum."""
    data = path.read_bytes()
    return {"file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def all_files(folder: Path) -> dict[str, bytes]:
    """Return everything below a folder but locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
