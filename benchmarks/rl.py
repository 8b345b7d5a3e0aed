"""The share of time that `train-rl` loses by waiting: a run on two cores compared with its two halves alone."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.data import Untrained, make_untrained
from benchmarks.measurement import Measurement
from benchmarks.throughput import modelled
from spirl_cli.envs.vector import SkillVector, make_vector, split_step
from spirl_cli.envs.workers import WorkerVector
from spirl_cli.errors import UsageError
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.monitor.training_run import TrainingRun
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.schema import Recipe
from spirl_cli.rl.loop import SkillLearning
from spirl_cli.skills.model_files import load_prior
from spirl_cli.stages.supervised import use_one_thread
from spirl_cli.stages.train_rl import make_learning

LIMIT = 0.85  # least share of the slower half's speed
BLOCK_SECONDS = 5.0  # seconds of each of the three in a row
WARMUP_STEPS = 800  # environment steps before measuring, which fill the replay memory a little
ALONE_SKILLS = 10  # skills simulated between two readings of the clock
QUIET = 0.9  # least share of a core for updates; below, other work makes the comparison worthless


def measure(seconds: float, reporter: Reporter, block_seconds: float = BLOCK_SECONDS) -> list[Measurement]:
    """Run the whole and its two halves in turn for about `seconds`, at least once each.

    Args:
        seconds: seconds of measurement, without starting workers and warming up.
        reporter: shows what is going on.
        block_seconds: seconds for which each runs in a row.

    Raises:
        UsageError: this system cannot pin a process to a core, or has one core only.
    """
    use_one_thread()
    rounds = max(1, round(seconds / (3 * block_seconds)))
    recipe = load_recipe("kitchen", overrides=[f"train_rl.warmup_steps={WARMUP_STEPS}"])
    with (
        tempfile.TemporaryDirectory() as name,
        two_cores() as cores,
        Bench(recipe, Path(name), reporter, cores) as bench,
    ):
        reporter.message(f"rl: warming up {recipe.train_rl.environments} environments and the learner")
        bench.warm_up()
        rates = []
        for number in range(1, rounds + 1):
            rates.append(bench.rates(block_seconds))
            together, environment, updates = rates[-1]
            reporter.message(
                f"rl: {number} of {rounds}: {together:.0f} env steps/s; environment alone {environment:.0f}, "
                f"updates alone {updates:.0f}"
            )
        share = bench.processor_seconds / bench.update_seconds
    if share < QUIET:
        reporter.warn(f"rl: updates alone got {share:.0%} of a core: measure again when nothing else runs")
    return [_measurement(rates, share)]


def _measurement(rates: Sequence[tuple[float, float, float]], share: float) -> Measurement:
    together, environment, updates = (median(values) for values in zip(*rates, strict=True))
    slower = min(environment, updates)
    return Measurement(
        name="train-rl on two cores",
        value=together / slower,
        unit="of the slower half",
        limit=LIMIT,
        bound="at least",
        detail=f"{together:.0f} env steps/s; one core alone: {environment:.0f} simulated, {updates:.0f} learned from",
        parts={
            "env_steps_per_second": together,
            "environment_alone": environment,
            "updates_alone": updates,
            "processor_share": share,
            "modelled": modelled(environment, updates, together),
            "blocks": [list(values) for values in rates],
        },
        disturbed=share < QUIET,
    )


class Bench:
    """The real learning loop on two cores, and its halves on one core each.

    While one of them runs, the others wait without using a processor.

    Args:
        recipe: recipe with the settings.
        folder: folder of the run's files.
        reporter: shows the run's progress.
        cores: numbers of two cores.

    Attributes:
        update_seconds: seconds for which updates ran alone.
        processor_seconds: processor time of these updates.
    """

    def __init__(self, recipe: Recipe, folder: Path, reporter: Reporter, cores: Sequence[int]) -> None:
        self.recipe, self.folder, self.reporter, self.cores = recipe, folder, reporter, cores
        self.rng = np.random.default_rng(0)
        self.update_seconds = self.processor_seconds = 0.0

    def __enter__(self) -> Bench:
        section = self.recipe.train_rl
        untrained = make_untrained(self.folder, self.recipe)
        with ExitStack() as stack:
            vector = stack.enter_context(self._vector(untrained, section.environments))
            self.learning = self._learning(untrained, vector)
            self.learner = self._learning(untrained, vector)  # its updates do not affect the run
            self.learner.replay = self.learning.replay
            self.single = stack.enter_context(self._vector(untrained, 1))
            for process in self.single.processes:
                os.sched_setaffinity(process.pid or 0, {self.cores[0]})
            self.run = stack.enter_context(
                TrainingRun(
                    self.folder,
                    self.learning,
                    total=section.steps,
                    unit="steps",
                    description="train-rl",
                    reporter=self.reporter,
                    checkpoint_seconds=section.checkpoint_seconds,
                )
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _vector(self, untrained: Untrained, count: int) -> closing[WorkerVector]:
        vector = make_vector(self.recipe.env, untrained.decoder, count, seed=0)
        assert isinstance(vector, WorkerVector)
        return closing(vector)

    def _learning(self, untrained: Untrained, vector: SkillVector) -> SkillLearning:
        return make_learning(self.recipe, vector, *load_prior(untrained.prior_path), "cpu")

    def warm_up(self) -> None:
        """Fill the replay memory, and run everything once."""
        while self.learning.updates == 0:
            self._round()
        self.single.reset()
        self._simulate()
        self._update()

    def rates(self, seconds: float) -> tuple[float, float, float]:
        """Return environment steps per second of the run, of one environment alone, and of updates alone."""
        together = _rate(self._round, seconds)
        environment = _rate(self._simulate, seconds)
        with _pinned(self.cores[1]):
            begun, worked = time.perf_counter(), time.process_time()
            updates = _rate(self._update, seconds)
            self.update_seconds += time.perf_counter() - begun
            self.processor_seconds += time.process_time() - worked
        section = self.recipe.train_rl
        return together, environment, updates * self.recipe.train_skills.horizon / section.updates_per_step

    def _round(self) -> int:
        """Run one round of `train-rl`'s loop; return its environment steps."""
        before, every = self.learning.steps, self.recipe.train_rl.log_every
        self.learning.round()
        due = before // every < self.learning.steps // every
        self.run.tick(self.learning.steps, self.learning.metrics() if due else None)
        return self.learning.steps - before

    def _simulate(self) -> int:
        """Run some skills in the one environment alone; return the environment steps."""
        steps = 0
        for _ in range(ALONE_SKILLS):
            latents = self.rng.standard_normal((1, self.learner.replay.latent_dim), np.float32)
            steps += int(split_step(*self.single.step(latents)).steps.sum())
        return steps

    def _update(self) -> int:
        """Do one update; return 1, the number of updates."""
        batch = self.learner.replay.sample(self.recipe.train_rl.batch_size, self.rng)
        self.learner.sac.update(batch)
        return 1


def _rate(work: Callable[[], int], seconds: float) -> float:
    """Return the counts that `work` returns per second, over at least `seconds`."""
    begun, done = time.perf_counter(), 0
    while True:
        done += work()
        passed = time.perf_counter() - begun
        if passed >= seconds:
            return done / passed


@contextmanager
def two_cores() -> Iterator[tuple[int, int]]:
    """Keep this process and its children on two of its cores.

    Raises:
        UsageError: the system cannot pin processes, or there are fewer cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError("the rl benchmark pins processes to cores, which this system cannot", "run it on Linux")
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        raise UsageError("the rl benchmark needs two cores; this process may use one only")
    first, second = sorted(allowed)[:2]
    os.sched_setaffinity(0, {first, second})
    try:
        yield first, second
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
