"""Times of quick commands (help, version, lists and completion), each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.measurement import Measurement
from spirl_cli.monitor.reporter import Reporter

LIMIT = 250  # milliseconds
LEAST, MOST = 3, 20  # processes of each command
UNDISTURBED = 0.8  # least share of wall-clock time on a processor; below, other work disturbed the run
COMMANDS: dict[str, tuple[str, ...]] = {
    "spirl --help": ("--help",),
    "spirl --version": ("--version",),
    "spirl list": ("list",),
    "spirl recipe list": ("recipe", "list"),
    "completion of a recipe": (),
}
COMPLETION = {"_SPIRL_COMPLETE": "complete_bash", "COMP_WORDS": "spirl train-rl kit", "COMP_CWORD": "2"}


@dataclass(frozen=True)
class Run:
    """Wall-clock and processor seconds of one process."""

    wall: float
    processor: float


def measure(seconds: float, reporter: Reporter) -> list[Measurement]:
    """Run every command repeatedly for its share of the time; its first run warms the disk's cache."""
    share = seconds / len(COMMANDS)
    return [_measurement(name, _runs(name, arguments, share)) for name, arguments in COMMANDS.items()]


def _runs(name: str, arguments: tuple[str, ...], seconds: float) -> list[Run]:
    """Return all runs but the first."""
    variables = COMPLETION if name.startswith("completion") else {}
    runs: list[Run] = []
    ends = time.perf_counter() + seconds
    while len(runs) <= LEAST or (len(runs) <= MOST and time.perf_counter() < ends):
        runs.append(_run(arguments, variables))
    return runs[1:]


def _run(arguments: tuple[str, ...], variables: Mapping[str, str]) -> Run:
    begun, used = time.perf_counter(), _children_seconds()
    command = [sys.executable, "-m", "spirl_cli", *arguments]
    subprocess.run(command, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return Run(time.perf_counter() - begun, _children_seconds() - used)


def _children_seconds() -> float:
    """Return the processor seconds of all finished children."""
    times = os.times()
    return times.children_user + times.children_system


def _measurement(name: str, runs: Sequence[Run]) -> Measurement:
    walls = [1000 * run.wall for run in runs]
    share = sum(run.processor for run in runs) / sum(run.wall for run in runs)
    return Measurement(
        name=name,
        value=median(walls),
        unit="ms",
        limit=LIMIT,
        bound="at most",
        detail=f"median of {len(runs)} processes, {min(walls):.0f} to {max(walls):.0f} ms; {share:.0%} on a processor",
        parts={"milliseconds": walls, "processor_share": share},
        disturbed=median(walls) > LIMIT and share < UNDISTURBED,
    )
