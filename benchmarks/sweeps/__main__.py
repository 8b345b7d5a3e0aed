"""Sweeps, measured: `python -m benchmarks.sweeps WHAT --folder FOLDER`.

`same` runs 8 cells by each engine, `slurm-faults` and `ray-faults` disturb sweeps, `overhead` measures the engines,
`parallel` two jobs against one, `planned` a thousand cells, `locks` a file system. Slurm and Ray have to be there where
they are asked for.
Exit codes: 0 it is as promised; 1 it is not; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sweeps.scene import Scene

ENGINES = ("local", "slurm", "ray")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one thing, print it, and return the exit code."""
    options = _parser().parse_args(arguments)
    scene = Scene(options.folder.resolve())
    if options.what in ("same", "parallel", "slurm-faults", "ray-faults"):
        scene.prepare()
    scene.folder.mkdir(parents=True, exist_ok=True)
    engines = options.engines.split(",")
    return 0 if _measured(options, scene, engines) else 1


def _measured(options: argparse.Namespace, scene: Scene, engines: list[str]) -> bool:
    from benchmarks.sweeps import faults, locks, overhead, parallel, planned, same

    if options.what == "same":
        return same.compare(scene, engines)
    if options.what == "overhead":
        return overhead.measure(scene.folder, engines)
    if options.what == "parallel":
        return parallel.measure(scene, options.rounds)
    if options.what == "locks":
        return locks.measure(scene, [scene.folder, *options.also])
    if options.what == "planned":
        return planned.measure(scene)
    if options.what == "slurm-faults":
        return faults.slurm(scene, options.faults, options.pause, options.seed)
    return faults.ray(scene)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description="Measure what sweeps promise.")
    parser.add_argument(
        "what", choices=("same", "overhead", "parallel", "planned", "locks", "slurm-faults", "ray-faults")
    )
    parser.add_argument("--folder", type=Path, required=True, help="where to work; finished parts are not repeated")
    parser.add_argument("--engines", default=",".join(ENGINES), help="default: local,slurm,ray")
    parser.add_argument("--also", type=Path, action="append", default=[], help="of locks: another path of the folder")
    parser.add_argument("--rounds", type=int, default=3, help="of parallel")
    parser.add_argument("--faults", type=int, default=20, help="of slurm-faults")
    parser.add_argument("--pause", type=float, default=10.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    return parser


if __name__ == "__main__":
    sys.exit(main())
