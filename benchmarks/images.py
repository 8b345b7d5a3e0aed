"""Ten gigabytes of images: how fast they are extracted and read, and how much memory that needs.

`python -m benchmarks.images --folder DIR [--gigabytes 10]` writes rollouts of random 32×32 frames, extracts them, reads
windows of two frames from the mapped clips and trains a prior that looks at them. Three times the size is needed on
the disk; all is deleted at the end. Seconds of the processor and the load of the machine are told too, since other
work slows everything.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from benchmarks.measurement import Measurement
from benchmarks.random_camera import ID, SIZE
from spirl_cli.clips.reader import Clips
from spirl_cli.files import make_folder, write_whole, written_whole
from spirl_cli.payload import CLIPS_FILE

STEPS = 1000  # of an episode
CHECKOUT = Path(__file__).resolve().parents[1]
FRAME = SIZE * SIZE * 3  # bytes
RECIPE = f"""\
env:
  kind: gymnasium
  id: {ID}
  module: benchmarks.random_camera
  episode_length: {STEPS}
  observation: [{{key: state}}, {{key: camera, image: {{size: [{SIZE}, {SIZE}]}}}}]
  frames: 2
extract: {{dataset: rollouts, action_bounds: [-2, 2]}}
train_skills: {{horizon: 10, latent_dim: 2, iterations: 50, validate_every: 50}}
train_prior: {{image: {{}}, iterations: 300, validate_every: 300}}
"""
MEGABYTES_LIMIT, WINDOWS_LIMIT, MEMORY_LIMIT = 150.0, 3000.0, 2.0
READING_SECONDS, BATCH = 10.0, 128


@dataclass(frozen=True)
class Cost:
    """What a command needed: seconds on the clock and of the processor, gigabytes at its peak."""

    seconds: float
    processor: float
    gigabytes: float


def write_rollouts(folder: Path, gigabytes: float) -> int:
    """Write episodes of random frames, a file of each; return the bytes of the images."""
    make_folder(folder)
    rng, episodes = np.random.default_rng(0), max(2, round(gigabytes * 1e9 / FRAME / STEPS))
    for number in range(episodes):
        with written_whole(folder / f"{number:05}.h5") as temporary, h5py.File(temporary, "w") as file:
            file["observations/state"] = rng.normal(size=(STEPS + 1, 3)).astype(np.float32)
            file["observations/camera"] = rng.integers(0, 256, (STEPS + 1, SIZE, SIZE, 3), np.uint8)
            file["actions"] = rng.uniform(-2, 2, (STEPS, 1)).astype(np.float32)
    return episodes * (STEPS + 1) * FRAME


def run(folder: Path, command: str) -> Cost:
    """Run a stage in a process of its own, on at most two cores, and measure it."""
    begun, words = time.perf_counter(), [sys.executable, "-m", "spirl_cli", command, "images.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}  # has the module of the environment
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, preexec_fn=_two_cores)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Cost(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6)


def _two_cores() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


def measure(folder: Path, gigabytes: float) -> list[Measurement]:
    """Measure extraction, reading and training."""
    size = write_rollouts(folder / "rollouts", gigabytes)
    write_whole(folder / "images.yaml", RECIPE.encode())
    extraction = run(folder, "extract")
    (clips,) = folder.glob(f"artifacts/images/clips/v*/{CLIPS_FILE}")
    reading = _reading(clips)
    trainings = [run(folder, command) for command in ("train-skills", "train-prior")]
    memory = max(one.gigabytes for one in trainings)
    megabytes, load = size / 1e6, f"load {os.getloadavg()[0]:.1f}"
    speed = f"{size / 1e9:.1f} GB in {extraction.seconds:.0f} s, {extraction.processor:.0f} s of the processor, {load}"
    return [
        _least("extraction of images", megabytes / extraction.seconds, "MB per second", MEGABYTES_LIMIT, speed),
        _most(
            "memory of the extraction",
            extraction.gigabytes,
            f"{megabytes / extraction.processor:.0f} MB per second of the processor",
        ),
        reading,
        _most("memory of training on images", memory, f"skills {trainings[0].gigabytes:.2f}, prior {memory:.2f}"),
    ]


def _least(name: str, value: float, unit: str, limit: float, detail: str) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, limit=limit, bound="at least", detail=detail)


def _most(name: str, gigabytes: float, detail: str) -> Measurement:
    return Measurement(name=name, value=gigabytes, unit="GB", limit=MEMORY_LIMIT, bound="at most", detail=detail)


def _reading(path: Path) -> Measurement:
    """Read random windows of two frames from the mapped clips."""
    clips, rng = Clips.open(path), np.random.default_rng(0)
    starts, read, before = clips.starts("train"), 0, _processor()
    begun = time.perf_counter()
    while time.perf_counter() - begun < READING_SECONDS:
        chosen = np.sort(rng.choice(starts, BATCH))
        clips.windows(chosen)
        assert clips.images(chosen).shape == (BATCH, SIZE, SIZE, 6)
        read += BATCH
    seconds, processor = time.perf_counter() - begun, _processor() - before
    detail = f"{read / processor:,.0f} per second of the processor, load {os.getloadavg()[0]:.1f}"
    return _least("windows of two frames", read / seconds, "windows per second", WINDOWS_LIMIT, detail)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure images on the disk; exit with 1 if a limit is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=main.__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="a new folder for the data")
    parser.add_argument("--gigabytes", type=float, default=10.0)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True)  # a new one, since it is deleted at the end
    try:
        found = measure(options.folder.absolute(), options.gigabytes)
    finally:
        shutil.rmtree(options.folder)
    for one in found:
        verdict = "" if one.passed else "  NOT KEPT"
        print(f"{one.name}: {one.value:,.4g} {one.unit} ({one.bound} {one.limit:g}); {one.detail}{verdict}")
    return 0 if all(one.passed for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
