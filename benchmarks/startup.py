"""Times of quick commands (help, version, lists and completion) and of a stage's imports, each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from benchmarks.measurement import Measurement
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.pipeline.graph import STAGES
from spirl_cli.stages.context import StageSpec

T = TypeVar("T")

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
IMPORTS_LIMIT = 500  # milliseconds, torch aside
# torch is imported first, and a stage also makes an optimiser
IMPORTS = """
import sys, time, torch
begun = time.process_time()
from importlib import import_module
import_module(sys.argv[1])
from spirl_cli.skills.optimization import make_optimizer
make_optimizer("adam", [torch.zeros(1, requires_grad=True)], 1e-3)
print(time.process_time() - begun)
"""


@dataclass(frozen=True)
class Run:
    """Wall-clock and processor seconds of one process."""

    wall: float
    processor: float


def measure(seconds: float, reporter: Reporter) -> list[Measurement]:
    """Run every command repeatedly for its share of the time; its first run warms the disk's cache."""
    trained = [spec for spec in STAGES if spec.command.startswith("train-")]
    share = seconds / (len(COMMANDS) + len(trained))
    commands = [
        measurement(name, runs_of(arguments, share, {} if arguments else completion("spirl train-rl kit")))
        for name, arguments in COMMANDS.items()
    ]
    return commands + [_imports(spec, share) for spec in trained]


def completion(line: str) -> dict[str, str]:
    """Return the variables by which a shell asks what may follow a line; the command has no arguments then."""
    return {"_SPIRL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}


def runs_of(arguments: tuple[str, ...], seconds: float, variables: Mapping[str, str]) -> list[Run]:
    """Run a command for so long; return all runs but the first."""
    return _repeated(lambda: _run(arguments, variables), seconds)


def _repeated(once: Callable[[], T], seconds: float) -> list[T]:
    runs: list[T] = []
    ends = time.perf_counter() + seconds
    while len(runs) <= LEAST or (len(runs) <= MOST and time.perf_counter() < ends):
        runs.append(once())
    return runs[1:]


def _imports(spec: StageSpec, seconds: float) -> Measurement:
    """Measure the processor time of a stage's imports, which other programs disturb little."""
    command = [sys.executable, "-c", IMPORTS, spec.module]
    times = _repeated(lambda: 1000 * float(subprocess.check_output(command)), seconds)
    return Measurement(
        name=f"imports of {spec.command}, torch's aside",
        value=median(times),
        unit="ms",
        limit=IMPORTS_LIMIT,
        bound="at most",
        detail=f"processor time, median of {len(times)} processes, {min(times):.0f} to {max(times):.0f} ms",
        parts={"milliseconds": times},
    )


def _run(arguments: tuple[str, ...], variables: Mapping[str, str]) -> Run:
    begun, used = time.perf_counter(), _children_seconds()
    command = [sys.executable, "-m", "spirl_cli", *arguments]
    subprocess.run(command, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return Run(time.perf_counter() - begun, _children_seconds() - used)


def _children_seconds() -> float:
    """Return the processor seconds of all finished children."""
    times = os.times()
    return times.children_user + times.children_system


def measurement(name: str, runs: Sequence[Run], limit: float = LIMIT) -> Measurement:
    """Return the median of the wall-clock times, and what share of it the command was on a processor."""
    walls = [1000 * run.wall for run in runs]
    used = [1000 * run.processor for run in runs]
    share = sum(run.processor for run in runs) / sum(run.wall for run in runs)
    processor = f"{median(used):.0f} ms of the processor, {share:.0%}"
    return Measurement(
        name=name,
        value=median(walls),
        unit="ms",
        limit=limit,
        bound="at most",
        detail=f"median of {len(runs)}, {min(walls):.0f} to {max(walls):.0f} ms; {processor}",
        parts={"milliseconds": walls, "processor_milliseconds": used, "processor_share": share},
        disturbed=median(walls) > limit and share < UNDISTURBED,
    )
