"""Speed of generating demonstrations in mazes, and of reading windows with drawn images."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.measurement import Measurement
from spirl_cli.clips.drawing import drawing_of
from spirl_cli.clips.reader import Clips, ClipWriter
from spirl_cli.demos.source import find_source
from spirl_cli.monitor.children import usable_cores
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.payload import CLIPS_FILE
from spirl_cli.recipe.load import load_recipe

STEPS_LIMIT = 30_000  # demonstrated steps per second, all cores
WINDOWS_LIMIT = 3_000  # windows per second, each with the two frames of its first state, one core
STEPS_PER_EPISODE = 330  # roughly, for the recipe's mazes
EPISODES = 200, 6000  # fewest and most episodes to generate
BATCH = 128


def measure(seconds: float, reporter: Reporter) -> list[Measurement]:
    """Generate demonstrations for a part of the time, and draw batches for the rest."""
    episodes = int(np.clip(0.5 * seconds * STEPS_LIMIT / STEPS_PER_EPISODE, *EPISODES))
    recipe = load_recipe("maze", overrides=[f"extract.episodes={episodes}"])
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        demonstrations = find_source(recipe.extract, recipe.env).open(Path(folder), reporter)
        taken = time.perf_counter() - begun
        path = Path(folder) / CLIPS_FILE
        with ClipWriter(path, recipe.train_skills.horizon, demonstrations.bounds) as writer:
            for episode in demonstrations:
                writer.append(episode)
            identity = asdict(demonstrations.identity)
            writer.finish(recipe.extract.validation_fraction, 0, identity, drawing_of(recipe.env))
        clips = Clips.open(path)
        return [_generated(clips, taken), _drawn(clips, min(0.5 * seconds, 10.0))]


def _generated(clips: Clips, seconds: float) -> Measurement:
    return Measurement(
        name="maze demonstrations, all cores",
        value=clips.steps / seconds,
        unit="steps per second",
        limit=STEPS_LIMIT,
        bound="at least",
        detail=f"{clips.episodes:,} episodes in new layouts, {clips.steps:,} steps in {seconds:.1f} s",
        parts={"episodes": clips.episodes, "steps": clips.steps, "seconds": seconds, "cores": usable_cores()},
    )


def _drawn(clips: Clips, seconds: float) -> Measurement:
    rng, starts = np.random.default_rng(0), clips.starts("train")
    batches, begun = 0, time.perf_counter()
    while batches == 0 or time.perf_counter() - begun < seconds:
        chosen = rng.choice(starts, size=BATCH)
        clips.windows(chosen)
        clips.images(chosen)
        batches += 1
    taken = time.perf_counter() - begun
    return Measurement(
        name="maze windows with two drawn frames, one core",
        value=batches * BATCH / taken,
        unit="windows per second",
        limit=WINDOWS_LIMIT,
        bound="at least",
        detail=f"batches of {BATCH} from {clips.episodes:,} layouts",
        parts={"batches": batches, "seconds": taken},
    )
