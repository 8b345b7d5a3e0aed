"""Locks and renames on a file system: processes that reach one folder by one or several paths, as nodes do by mounts.

Name the mounts of the same folder: `python -m benchmarks.sweeps locks --folder /mnt/a --also /mnt/b`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sweeps.scene import Scene

_PROCESSES = 4
_TURNS = 50
# Reads a number, waits, and writes the next one: two at the same time would lose a turn. Each turn also publishes a
# whole file by a rename, which the next holder of the lock has to see.
_TAKE_TURNS = """
import sys, time
from pathlib import Path
from spirl_cli.files import write_whole
from spirl_cli.store.locks import hold
folder = Path(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with hold(folder / ".lock", "the number", wait=True):
        path = folder / "number"
        number = int(path.read_text()) if path.exists() else 0
        time.sleep(0.002)
        write_whole(path, str(number + 1).encode())
"""


def measure(scene: Scene, folders: Sequence[Path]) -> bool:
    """Let processes take turns; returns whether none was lost."""
    for name in ("number", ".lock"):
        (folders[0] / name).unlink(missing_ok=True)
    began = time.monotonic()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _TAKE_TURNS, str(folders[number % len(folders)]), str(_TURNS)],
            env=scene.environment(),
        )
        for number in range(_PROCESSES)
    ]
    codes = [process.wait() for process in processes]
    counted = int((folders[0] / "number").read_text())
    print(
        f"{len(folders)} paths, {_PROCESSES} processes, {_PROCESSES * _TURNS} turns: {counted} counted, "
        f"exit codes {codes} ({time.monotonic() - began:.0f} s)",
        flush=True,
    )
    return counted == _PROCESSES * _TURNS and not any(codes)
