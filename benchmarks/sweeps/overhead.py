"""Overhead of the engines: from the end of a stage to the first line of the one that needs it."""

from __future__ import annotations

import itertools
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from benchmarks.sweeps.scene import load
from spirl_cli.payload import CLIPS
from spirl_cli.sweep import local, ray, slurm
from spirl_cli.sweep.engine import Engine, Work
from spirl_cli.sweep.jobs import Job
from spirl_cli.sweep.record import SweepFolder

_CHAIN = 8
_STAMP = "import time; print('stamp', time.time(), flush=True)"


def measure(folder: Path, names: list[str]) -> bool:
    """Print the overhead of each engine; returns whether the local one's is below half a second."""
    fine = True
    for name in names:
        seconds = _overheads(folder / f"overhead-{name}", name)
        fine &= name != "local" or statistics.median(seconds) < 0.5
        print(
            f"{name:<6} {statistics.median(seconds):.2f} s per stage, from {min(seconds):.2f} to {max(seconds):.2f} "
            f"({len(seconds)} stages in a row, {load()})",
            flush=True,
        )
    return fine


def _overheads(folder: Path, name: str) -> list[float]:
    """Run a chain of commands that only note the time; returns the seconds between two of them."""
    makers: dict[str, tuple[ModuleType, Callable[[], Engine]]] = {
        "local": (local, lambda: local.LocalEngine(1)),
        "slurm": (slurm, lambda: slurm.SlurmEngine(folder.name, {}, {}, lambda submitted: None, wait=True)),
        "ray": (ray, lambda: ray.RayEngine({})),
    }
    module, make = makers[name]
    module.command_of = lambda job: [sys.executable, "-S", "-c", _STAMP]  # type: ignore[attr-defined]
    sweep = SweepFolder(folder.resolve())
    sweep.create()
    jobs = [_job(number) for number in range(_CHAIN)]
    for job in jobs:
        sweep.log(job).unlink(missing_ok=True)
    make().run(Work(jobs, sweep, lambda text: None, lambda job: job.key))
    stamps = [_stamp(sweep.log(job)) for job in jobs]
    return [after - before for before, after in itertools.pairwise(stamps)]


def _job(number: int) -> Job:
    needs = (f"job{number - 1}",) if number else ()
    return Job(f"job{number}", CLIPS, "none", None, None, ("stamp",), needs, None, 1.0)  # the stage plays no part


def _stamp(log: Path) -> float:
    (line,) = (line for line in log.read_text().splitlines() if line.startswith("stamp "))
    return float(line.split()[1])
