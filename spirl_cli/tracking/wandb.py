"""Weights & Biases, online or offline: `WANDB_MODE`, `WANDB_PROJECT` and its other variables decide."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping

import wandb

from spirl_cli.tracking.tracker import PROJECT, Made, TrackedRun


class WandbTracker:
    """Writes to one run of Weights & Biases; runs of one recipe form a group."""

    def begin(self, run: TrackedRun, known: str | None) -> str:
        """Open the run; offline, each session has a folder of its own with the same id."""
        name = known or f"{run.fingerprint}-{uuid.uuid4().hex[:6]}"
        self._run = wandb.init(
            id=name,
            resume="allow",
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            name=run.title,
            group=run.labels["recipe"],
            job_type=run.labels["stage"],
            config={**run.parameters, **{f"run.{key}": value for key, value in run.labels.items()}},
            settings=wandb.Settings(silent=True, console="off"),
        )
        return name

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the metrics of one step."""
        self._run.log(dict(values), step=step)

    def end(self, made: Made | None) -> None:
        """Note artifact and headline numbers in the summary, and close the run."""
        if made is not None:
            self._run.summary.update({"artifact": made.reference, "artifact path": made.path, **made.metrics})
        self._run.finish(exit_code=0 if made is not None else 1)
