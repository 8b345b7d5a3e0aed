"""Costs of spirl: `python -m benchmarks [skills|rl|paces|maze|blocks|memory|startup|store] [--seconds S] [--json]`.

Exit codes: 0 all limits are kept; 1 one is not, or could not be judged on a busy computer; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from benchmarks.measurement import Measurement
from benchmarks.report import print_table
from spirl_cli.errors import SpirlError
from spirl_cli.monitor.reporter import Reporter, RichReporter
from spirl_cli.store.provenance import machine

NAMES = ("skills", "rl", "paces", "maze", "blocks", "memory", "startup", "store")
SECONDS = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    options = _parser().parse_args(arguments)
    reporter = RichReporter()
    measurements: list[Measurement] = []
    try:
        for name in [options.name] if options.name else NAMES:
            measurements += benchmark(name)(options.seconds, reporter)
    except SpirlError as error:
        reporter.warn("\n".join(filter(None, [error.message, error.hint])))
        return error.exit_code
    if options.json:
        print(json.dumps(report(measurements), indent=2))
    else:
        here = machine()
        print_table(measurements, f"{here.processor}, {here.cores} cores, load {_load():.1f}")
    return 0 if all(measurement.passed for measurement in measurements) else 1


def benchmark(name: str) -> Callable[[float, Reporter], list[Measurement]]:
    """Return the measurement with this name; only this call imports torch and the simulator."""
    from benchmarks import blocks, maze, memory, paces, rl, skills, startup, store

    if name == "skills":
        return skills.measure
    if name == "rl":
        return rl.measure
    if name == "paces":
        return paces.measure
    if name == "maze":
        return maze.measure
    if name == "blocks":
        return blocks.measure
    if name == "startup":
        return startup.measure
    if name == "store":
        return store.measure
    return lambda seconds, reporter: memory.measure()  # it counts, so it needs no time limit


def report(measurements: Sequence[Measurement]) -> dict[str, object]:
    """Return all measurements, and the computer on which they were made, as plain data."""
    here = machine()
    return {
        "figures": [measurement.as_json() for measurement in measurements],
        "passed": all(measurement.passed for measurement in measurements),
        "machine": {"processor": here.processor, "cores": here.cores, "load": _load()},
    }


def _load() -> float:
    """Return the mean number of runnable processes in the last minute; more than cores means disturbance."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what spirl costs.")
    parser.add_argument("name", nargs="?", choices=NAMES, help="one of them instead of all")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout instead of a table")
    parser.add_argument(
        "--seconds", type=_positive, default=SECONDS, metavar="S", help="measure each for about so long (default: 60)"
    )
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


if __name__ == "__main__":
    sys.exit(main())
