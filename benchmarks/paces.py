"""What a gradient step costs with the keys that make it cheaper, in turn with the recipe as it is.

    python -m benchmarks.paces --device cuda --seconds 60

measures the same on a GPU. Exit codes: as `python -m benchmarks`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.data import EPISODES, make_clips, make_untrained
from benchmarks.measurement import Measurement
from benchmarks.report import print_table
from spirl_cli.clips.reader import Clips
from spirl_cli.envs.vector import make_vector
from spirl_cli.monitor.reporter import Reporter, RichReporter
from spirl_cli.payload import CLIPS_FILE
from spirl_cli.recipe.load import load_recipe
from spirl_cli.skills.model_files import load_prior
from spirl_cli.skills.skill_training import SkillTrainer
from spirl_cli.stages.supervised import training_device, use_one_thread
from spirl_cli.stages.train_rl import make_learning

AS_IT_IS = "as in the recipe"
SKILLS: Mapping[str, tuple[str, ...]] = {
    AS_IT_IS: (),
    "precision: auto": ("train_skills.precision=auto",),
    "batch_parts: 2": ("train_skills.batch_parts=2",),
    "precision: auto, batch_parts: 2": ("train_skills.precision=auto", "train_skills.batch_parts=2"),
    "encoder: mlp": ("train_skills.encoder=mlp",),
}
AGENT: Mapping[str, tuple[str, ...]] = {
    AS_IT_IS: (),
    "precision: auto": ("train_rl.precision=auto",),
    "half as many updates of twice the batch": ("train_rl.batch_size=512", "train_rl.updates_per_step=0.5"),
}
LIMIT = 1.05  # largest multiple of the recipe's own cost
BLOCK = 10  # steps in a row
TRANSITIONS = 4096  # in the replay memory
Steps = Mapping[str, Callable[[], float]]  # variant → takes steps, returns seconds for each skill or iteration


def measure(seconds: float, reporter: Reporter, device: str = "cpu", episodes: int = EPISODES) -> list[Measurement]:
    """Measure the variants of both stages, each for half of the time."""
    use_one_thread()
    with tempfile.TemporaryDirectory() as name:
        clips = make_clips(Path(name) / CLIPS_FILE, load_recipe("kitchen").train_skills.horizon, episodes)
        reporter.message(f"paces: train-skills on {device}")
        found = _compared("train-skills", _skill_steps(clips, device), seconds / 2)
        reporter.message(f"paces: train-rl on {device}")
        return found + _compared("train-rl, per skill", _agent_steps(Path(name), device), seconds / 2)


def _skill_steps(clips: Clips, device: str) -> Steps:
    trainers = {
        variant: SkillTrainer(load_recipe("kitchen", overrides=overrides).train_skills, clips, 0, device)
        for variant, overrides in SKILLS.items()
    }
    return {variant: _timed(trainer.update, device) for variant, trainer in trainers.items()}


def _agent_steps(folder: Path, device: str) -> Steps:
    steps: dict[str, Callable[[], float]] = {}
    for variant, overrides in AGENT.items():
        recipe = load_recipe("kitchen", overrides=overrides)
        untrained = make_untrained(folder, recipe)
        vector = make_vector(recipe.env, untrained.decoder, 1, seed=0, processes=False)
        learning = make_learning(recipe, vector, *load_prior(untrained.prior_path), device)
        vector.close()
        rng = np.random.default_rng(0)
        states, latents = (rng.standard_normal((TRANSITIONS, size), np.float32) for size in (30, 10))
        rewards = rng.random(TRANSITIONS, np.float32)
        learning.replay.add(states, latents, rewards, states[::-1], np.zeros(TRANSITIONS, np.float32))
        section = recipe.train_rl
        per_update = _timed(
            lambda learning=learning, size=section.batch_size: learning.sac.update(  # type: ignore[misc]
                learning.replay.sample(size, learning.rng)
            ),
            device,
        )
        steps[variant] = lambda timed=per_update, often=section.updates_per_step: timed() * often  # type: ignore[misc]
    return steps


def _timed(step: Callable[[], object], device: str) -> Callable[[], float]:
    """Return a function that takes a block of steps and returns the mean seconds of one."""

    def block() -> float:
        begun = time.perf_counter()
        for _ in range(BLOCK):
            step()
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - begun) / BLOCK

    return block


def _compared(stage: str, steps: Steps, seconds: float) -> list[Measurement]:
    """Take blocks of all variants in turn, at least two; compare medians with the recipe as it is."""
    for warm_up in steps.values():
        warm_up()
    taken: dict[str, list[float]] = {variant: [] for variant in steps}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[AS_IT_IS]) < 2:
        for variant, take in steps.items():
            taken[variant].append(take())
    medians = {variant: median(values) for variant, values in taken.items()}
    return [
        Measurement(
            name=f"{stage}, {variant}",
            value=medians[variant] / medians[AS_IT_IS],
            unit=f"× {AS_IT_IS}",
            limit=LIMIT,
            bound="at most",
            detail=f"{medians[variant] * 1e3:.2f} ms, median of {len(values)} blocks in turn",
            parts={"milliseconds": medians[variant] * 1e3, "blocks": [1e3 * value for value in values]},
        )
        for variant, values in taken.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on the chosen device, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paces", description="Cost of gradient steps.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where networks are trained")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="measure for about so long")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout instead of a table")
    options = parser.parse_args(arguments)
    found = measure(options.seconds, RichReporter(), training_device(options.device))
    if options.json:
        print(json.dumps([measurement.as_json() for measurement in found], indent=2))
    else:
        print_table(found, f"gradient steps on {options.device}")
    return 0 if all(measurement.passed for measurement in found) else 1


if __name__ == "__main__":
    sys.exit(main())
