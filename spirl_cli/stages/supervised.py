"""The training loop of the two supervised stages: gradient steps, validation and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from spirl_cli.errors import UsageError
from spirl_cli.monitor.checkpoint import State
from spirl_cli.monitor.training_run import TrainingRun
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.stages.context import StageContext

LOG_EVERY = 200  # iterations between rows of training losses


class Trainer(Protocol):
    """A supervised learner with a resumable state."""

    def update(self) -> dict[str, torch.Tensor]:
        """Take one gradient step; return the losses."""

    def validate(self) -> dict[str, float]:
        """Return metrics on the validation episodes."""

    def state(self, folder: Path) -> State:
        """Return the state, for a checkpoint."""

    def restore(self, state: State, folder: Path) -> None:
        """Restore the state from a checkpoint."""


def train(
    context: StageContext, trainer: Trainer, section: TrainSkillsSection | TrainPriorSection
) -> tuple[dict[str, float], float]:
    """Run all iterations; return the last validation metrics and the seconds over all sessions."""
    with TrainingRun(
        context.folder,
        trainer,
        total=section.iterations,
        unit="iterations",
        description=context.spec.command,
        reporter=context.reporter,
        checkpoint_seconds=section.checkpoint_seconds,
        resume=context.resume,
    ) as run:
        validated: dict[str, float] = {}
        for iteration in range(run.step + 1, section.iterations + 1):
            losses = trainer.update()
            metrics: dict[str, float] | None = None
            if iteration % LOG_EVERY == 0 or iteration == section.iterations:
                metrics = {f"train/{name}": float(value) for name, value in losses.items()}
                run.note = "  ".join(f"{name} {float(value):.4g}" for name, value in losses.items())
            if iteration % section.validate_every == 0 or iteration == section.iterations:
                validated = trainer.validate()
                metrics = {**(metrics or {}), **validated}
            run.tick(iteration, metrics)
        return validated or trainer.validate(), run.seconds  # a run killed at its end has none left


def use_one_thread() -> None:
    """Use one torch thread per process, so that results do not depend on the number of cores."""
    torch.set_num_threads(1)


def training_device(name: str) -> str:
    """Resolve `--device`: auto is the CPU, which suits these small networks; cuda must exist.

    Raises:
        UsageError: the device is cuda and torch finds none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no CUDA device here.", "Use --device cpu.")
    return "cuda" if name == "cuda" else "cpu"
