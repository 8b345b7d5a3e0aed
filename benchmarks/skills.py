"""The cost of `train-skills` beyond its networks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

from benchmarks.bare import BareLoop, count_parameters
from benchmarks.data import EPISODES, make_clips
from benchmarks.measurement import Measurement
from benchmarks.timing import matmul_seconds, seconds_per_call
from spirl_cli.clips.reader import Clips
from spirl_cli.monitor.checkpoint import State
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.payload import CLIPS_FILE, SKILLS
from spirl_cli.pipeline.graph import stage
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.schema import Recipe
from spirl_cli.skills.sampling import windows
from spirl_cli.skills.skill_training import SkillTrainer
from spirl_cli.stages.context import StageContext
from spirl_cli.stages.supervised import LOG_EVERY, train, use_one_thread

LIMIT = 1.1  # largest multiple of the bare loop's time
VARIANTS = {"as in the recipe": (), "with BatchNorm": ("train_skills.batch_norm=true",)}
BATCHES = 200  # prepared batches for the bare loop
PROBE = 5  # iterations that measure how many fit into the time


@dataclass
class Interleaved:
    """A trainer for the real loop that runs the bare loop between blocks.

    The bare loop runs inside an update of the real loop, while the real loop's clock stands still. So both loops run
    under the same conditions, with the same other work on the computer.

    Attributes:
        trainer: the real trainer.
        bare: runs a number of iterations of the bare loop.
        block: number of iterations of each loop in a row.
        real_seconds, bare_seconds: seconds per iteration, one entry per block.
    """

    trainer: SkillTrainer
    bare: Callable[[int], None]
    block: int
    real_seconds: list[float] = field(default_factory=list)
    bare_seconds: list[float] = field(default_factory=list)
    _done: int = 0
    _begun: float = 0.0

    def update(self) -> dict[str, torch.Tensor]:
        """Do one real update; before the first one of a block, run a block of the bare loop."""
        if self._done % self.block == 0:
            self._change_over()
        self._done += 1
        return self.trainer.update()

    def _change_over(self) -> None:
        stopped = time.perf_counter()
        if self._done:
            self.real_seconds.append((stopped - self._begun) / self.block)
        self.bare(self.block)
        self._begun = time.perf_counter()
        self.bare_seconds.append((self._begun - stopped) / self.block)

    def validate(self) -> dict[str, float]:
        """Pass the call on to the trainer."""
        return self.trainer.validate()

    def state(self, folder: Path) -> State:
        """Pass the call on to the trainer."""
        return self.trainer.state(folder)

    def restore(self, state: State, folder: Path) -> None:
        """Pass the call on to the trainer."""
        self.trainer.restore(state, folder)


def measure(seconds: float, reporter: Reporter, block: int = LOG_EVERY, episodes: int = EPISODES) -> list[Measurement]:
    """Measure every variant of the networks.

    Args:
        seconds: total seconds, approximately; at least one block of each loop runs.
        reporter: shows what is going on.
        block: iterations in a row; the default includes one row of metrics.
        episodes: number of made-up episodes.
    """
    use_one_thread()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = load_recipe("kitchen")
        clips = make_clips(folder / CLIPS_FILE, recipe.train_skills.horizon, episodes)
        measurements = []
        for index, (variant, overrides) in enumerate(VARIANTS.items()):
            reporter.message(f"skills: {variant}, {len(clips.starts('train')):,} windows")
            run_folder = folder / str(index)
            run_folder.mkdir()
            recipe = load_recipe("kitchen", overrides=overrides)
            share = seconds / len(VARIANTS)
            measurements.append(_measure(variant, recipe, clips, run_folder, reporter, share, block))
        return measurements


def _measure(
    variant: str, recipe: Recipe, clips: Clips, folder: Path, reporter: Reporter, seconds: float, block: int
) -> Measurement:
    section = recipe.train_skills
    trainer = SkillTrainer(section, clips, seed=0)
    bare = BareLoop(section, [windows(clips, trainer.sampler.draw(section.batch_size)) for _ in range(BATCHES)])
    assert bare.parameters == count_parameters(trainer.model), "the two loops train different networks"
    bare.run(PROBE)
    per_iteration = seconds_per_call(lambda: bare.run(1), PROBE)
    blocks = max(1, round(seconds / (2 * per_iteration * block)))
    both = Interleaved(trainer, bare.run, block)
    # one more iteration, which closes the last block; validation is measured separately
    iterations = blocks * block + 1
    section = section.model_copy(update={"iterations": iterations, "validate_every": iterations})
    context = _context(recipe.model_copy(update={"train_skills": section}), folder, reporter)
    train(context, both, section)
    validation = seconds_per_call(trainer.validate, 1) / recipe.train_skills.validate_every
    return _measurement(variant, both, validation, bare.parameters)


def _measurement(variant: str, both: Interleaved, validation: float, parameters: int) -> Measurement:
    bare_seconds = both.bare_seconds[:-1]  # the last block has no counterpart
    real, bare, matmul = median(both.real_seconds) + validation, median(bare_seconds), matmul_seconds()
    return Measurement(
        name=f"train-skills, {variant}",
        value=real / bare,
        unit="× bare loop",
        limit=LIMIT,
        bound="at most",
        detail=f"{real * 1e3:.2f} ms against {bare * 1e3:.2f} ms per iteration; {real / matmul:,.0f} × a 256³ matmul",
        parts={
            "milliseconds": real * 1e3,
            "bare_milliseconds": bare * 1e3,
            "validation_milliseconds": validation * 1e3,
            "matmul_microseconds": matmul * 1e6,
            "matmuls": real / matmul,
            "parameters": parameters,
            "real_blocks": [1e3 * value for value in both.real_seconds],
            "bare_blocks": [1e3 * value for value in bare_seconds],
        },
    )


def _context(recipe: Recipe, folder: Path, reporter: Reporter) -> StageContext:
    spec = stage(SKILLS)
    return StageContext(recipe, spec, spec.parameters(recipe), {}, folder, reporter, device="cpu")
