"""Runs that have not become artifacts yet: in progress, or interrupted and resumable."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from spirl_cli.errors import ArtifactError
from spirl_cli.payload import RESUMED_FROM
from spirl_cli.seals import seal_problems
from spirl_cli.store.artifact import open_complete
from spirl_cli.store.locks import Holder, holder_of, is_locked, run_lock
from spirl_cli.store.names import parse_run_folder

RUN_FILE = "run.json"


@dataclass(frozen=True)
class RunInfo:
    """An unfinished run; `locked` while a process works on it, which `holder` names.

    `started` is the start of its first session (ISO 8601, UTC), None when it is unknown.
    """

    recipe: str
    stage: str
    fingerprint: str
    path: Path
    has_checkpoint: bool
    locked: bool
    holder: Holder | None
    started: str | None

    def problems(self) -> list[str]:
        """Compare the files with their seals; returns a sentence per fault, empty when all is well."""
        return list(seal_problems(self.path).values())


def read_run(path: Path) -> RunInfo | None:
    """Describe `ROOT/<recipe>/<stage>/run-<fingerprint>`; None when it is no folder of an unfinished run."""
    fingerprint = parse_run_folder(path.name)
    if fingerprint is None or not path.is_dir() or is_finished(path, fingerprint):
        return None
    lock = run_lock(path.parent, fingerprint)
    locked = is_locked(lock)
    return RunInfo(
        recipe=path.parent.parent.name,
        stage=path.parent.name,
        fingerprint=fingerprint,
        path=path,
        has_checkpoint=any(next(path.rglob(kept), None) is not None for kept in RESUMED_FROM),
        locked=locked,
        holder=holder_of(lock) if locked else None,
        started=read_started(path),
    )


def is_finished(path: Path, fingerprint: str) -> bool:
    """Whether a run folder has become an artifact already, and only its deletion was cut short."""
    started = read_started(path)
    if started is None:
        return False
    for version in path.parent.glob(f"v*-{fingerprint}"):
        with contextlib.suppress(ArtifactError):
            if open_complete(version).manifest.started == started:
                return True
    return False


def read_started(path: Path) -> str | None:
    """When the first session of the run in a folder began; None when the folder does not say."""
    try:
        content = json.loads((path / RUN_FILE).read_text(encoding="utf-8"))
        return str(content["started"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
