"""A package that registers trackers: one that notes what it is told, and some that fail in their own ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MODULE = """
import json, os, signal, time

class Noting:
    def _note(self, kind, **content):
        with open(os.environ["NOTES"], "a") as file:
            file.write(json.dumps({"kind": kind, **content}) + "\\n")

    def begin(self, run, known):
        self.id = known or f"{run.name} {time.time_ns()}"
        self._note("begin", id=self.id, known=known, name=run.name, parameters=run.parameters, labels=run.labels)
        return self.id

    def log(self, step, values):
        self._note("log", id=self.id, step=step, values=values)

    def end(self, made):
        self._note("end", id=self.id, artifact=made and made.reference)

class Raising(Noting):
    def log(self, step, values):
        raise OSError(28, "No space left on device")

class Hanging(Noting):
    def begin(self, run, known):
        while True:
            time.sleep(60)

class Killed(Noting):
    def begin(self, run, known):
        os.kill(os.getpid(), signal.SIGKILL)

class Printing(Noting):
    def begin(self, run, known):
        os.write(1, b"look at me\\n" * 100000)
        return super().begin(run, known)
"""
KINDS = ("Noting", "Raising", "Hanging", "Killed", "Printing")


def write_trackers(folder: Path) -> Path:
    """Write the package; returns the folder for `PYTHONPATH`."""
    info = folder / "noting-1.dist-info"
    info.mkdir(parents=True)
    (folder / "noting.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noting\nVersion: 1\n")
    points = "\n".join(f"{kind.lower()} = noting:{kind}" for kind in KINDS)
    (info / "entry_points.txt").write_text(f"[spirl.trackers]\n{points}\n")
    return folder


def read_notes(path: Path, kind: str) -> list[dict[str, Any]]:
    """Return what the noting trackers were told, of one kind, in order."""
    notes = [json.loads(line) for line in path.read_text().splitlines()]
    return [note for note in notes if note["kind"] == kind]
