"""A training run that can be killed at any moment and then continues bit for bit."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import torch

from spirl_cli.errors import ArtifactError, DivergedError, Interrupted, SpirlError, UsageError
from spirl_cli.monitor.checkpoint import CheckpointFolder, State
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.monitor.metrics import NO_ROWS, MetricsLog
from spirl_cli.monitor.progress import duration
from spirl_cli.monitor.reporter import Reporter

CHECKPOINT_SECONDS_VARIABLE = "SPIRL_CHECKPOINT_SECONDS"
_PROGRESS_SECONDS = 0.1
_RUN = "run"  # name of the scalar with the run's own numbers in a checkpoint
_DIVERGED_HINT = "Resuming would repeat the same numbers: change a parameter, for instance a lower learning rate."


class Checkpointable(Protocol):
    """What a `TrainingRun` saves and restores."""

    def state(self, folder: Path) -> State:
        """Return everything that the continuation depends on, without changing any of it.

        Large data may go into other files in `folder`, to which the state refers. They must be on the disk when this
        returns. A file to which an earlier checkpoint refers must never change, since several checkpoints are kept.
        """

    def restore(self, state: State, folder: Path) -> None:
        """Restore `state` completely; raise `ArtifactError` if one of its files is damaged."""


class TrainingRun:
    """Progress, metrics, checkpoints and interrupts of one loop, as a context manager.

    Usage::

        with TrainingRun(folder, learner, total=..., ...) as run:
            for step in range(run.step, total):
                loss = learner.update()
                run.tick(step + 1, {"loss": loss} if due else None)

    Args:
        folder: the run's folder with checkpoints, `metrics.csv`, `tensorboard/` and the learner's files.
        learner: the object to save and restore.
        total: steps of the whole run, in `unit` (for example `"iterations"`).
        description: name in progress and messages.
        checkpoint_seconds: wall-clock seconds between checkpoints; the environment variable
            `SPIRL_CHECKPOINT_SECONDS` overrides it, 0 saves at every tick.
        resume: True goes on from the newest checkpoint in `folder`; False deletes the folder's content.

    Attributes:
        step: last completed step; at the start, the checkpoint's step or 0.
        note: a few words behind the progress.
        metrics: the log behind `tick`.
    """

    def __init__(
        self,
        folder: Path,
        learner: Checkpointable,
        *,
        total: int,
        unit: str,
        description: str,
        reporter: Reporter,
        checkpoint_seconds: float,
        resume: bool = True,
    ) -> None:
        self.folder = folder
        self.total = total
        self.step = 0
        self.note = ""
        self.metrics = MetricsLog(folder)
        self._learner = learner
        self._unit = unit
        self._description = description
        self._reporter = reporter
        self._resume = resume
        self._checkpoints = CheckpointFolder(folder, warn=reporter.warn)
        self._checkpoint_seconds = _checkpoint_seconds(checkpoint_seconds)
        self._earlier_seconds = 0.0
        self._begun = time.monotonic()
        self._interrupts = Interrupts()
        self._stack = ExitStack()

    def __enter__(self) -> TrainingRun:
        with ExitStack() as stack:
            stack.enter_context(self._interrupts)
            stack.callback(self.metrics.close)
            self._begin()
            progress = self._reporter.progress(self._description, self.total, self._unit, start=self.step)
            self._bar = stack.enter_context(progress)
            self._stack = stack.pop_all()
        self._begun = time.monotonic()
        self._schedule(self._begun, saved=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            self._bar.update(self.step, self.note)
            if kind is None and self._interrupts.requested:
                self._stop()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of this run over all sessions, without lost work."""
        return self._earlier_seconds + time.monotonic() - self._begun

    def tick(self, step: int, metrics: Mapping[str, float] | None = None) -> None:
        """Note that `step` steps are complete; call it only when the learner can be saved.

        It logs `metrics` if given, and saves a checkpoint when one is due and at the last step. Otherwise it costs
        almost nothing.

        Raises:
            DivergedError: a metric, or a tensor about to be saved, is not finite; the last good
                checkpoint is kept.
            Interrupted: SIGINT or SIGTERM arrived; the state is saved.
        """
        self.step = step
        if metrics is not None:
            self._log(metrics)
        now = time.monotonic()
        if now >= self._wake or self._interrupts.requested or step >= self.total:
            self._attend(now)

    def save(self) -> None:
        """Save a checkpoint of the last completed step now.

        Raises:
            DivergedError: a tensor of the state is not finite; nothing is written.
        """
        state = self._learner.state(self.folder)
        if _RUN in state.scalars:
            raise ValueError(f"the scalar {_RUN!r} of a state is reserved for the run itself")
        self._require_finite(state)
        self.metrics.flush()  # rows up to this step are on the disk before the checkpoint is
        own = {"step": self.step, "seconds": self.seconds, "metrics": self.metrics.digest}
        self._checkpoints.save(State(state.tensors, {**state.scalars, _RUN: own}), self.step)
        self._schedule(time.monotonic(), saved=True)

    def _attend(self, now: float) -> None:
        self._bar.update(self.step, self.note)
        if self._interrupts.requested:
            self._stop()
        elif now >= self._save_at or self.step >= self.total:
            self.save()
        else:
            self._schedule(now, saved=False)

    def _schedule(self, now: float, *, saved: bool) -> None:
        if saved:
            self._save_at = now + self._checkpoint_seconds
        self._wake = min(now + _PROGRESS_SECONDS, self._save_at)

    def _stop(self) -> None:
        self.save()
        message = f"Interrupted: {self._description} is saved at {self._place()}."
        raise Interrupted(message, "Run the same command again to resume.")

    def _log(self, metrics: Mapping[str, float]) -> None:
        self.metrics.append(self.step, metrics)
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise self._diverged(f"the metric '{name}' is {float(value)}")

    def _require_finite(self, state: State) -> None:
        for name, tensor in state.tensors.items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise self._diverged(f"'{name}' is no longer finite")

    def _diverged(self, reason: str) -> DivergedError:
        steps = self._checkpoints.steps()
        kept = f" The last good checkpoint, at {steps[-1]:,}, is kept." if steps else ""
        return DivergedError(f"{self._description} diverged at {self._place()}: {reason}.{kept}", _DIVERGED_HINT)

    def _place(self) -> str:
        return f"{self.step:,} of {self.total:,} {self._unit}"

    def _begin(self) -> None:
        """Restore the newest usable checkpoint, or start with an empty folder."""
        if not self._resume:
            self._checkpoints.discard_after(-1)
        own = self._restore() if self._checkpoints.steps() else None
        if own is None:
            self.metrics.rewind(-1)
            return
        self.step, self._earlier_seconds = own["step"], own["seconds"]
        self._rewind_metrics(own.get("metrics"))
        self._checkpoints.discard_after(self.step)
        spent = duration(self._earlier_seconds)
        self._reporter.message(f"{self._description}: resuming at {self._place()}, after {spent}")

    def _rewind_metrics(self, digest: str | None) -> None:
        """Forget the rows after the checkpoint; say so if those before it are gone."""
        if digest not in (None, NO_ROWS) and not self.metrics.path.exists():
            self._reporter.warn(f"{self.metrics.path} is not there: rows up to step {self.step:,} are missing from it")
        self.metrics.rewind(self.step, digest)

    def _restore(self) -> dict[str, Any]:
        """Restore the newest usable checkpoint and return the run's own numbers in it."""
        for step, state in self._checkpoints.readable():
            own: dict[str, Any] = state.scalars.pop(_RUN, {"step": step, "seconds": 0.0})
            try:
                own = {**own, "step": int(own["step"]), "seconds": float(own["seconds"])}
                self._learner.restore(state, self.folder)
            except Exception as error:  # of a state that a stranger wrote, nobody knows what it raises
                if isinstance(error, SpirlError) and not isinstance(error, ArtifactError):
                    raise
                self._reporter.warn(f"The checkpoint at {step:,} cannot be restored: {_reason(error)}")
            else:
                return own
        # Not a fresh start: hours of work may be lost, and the learner may be half restored.
        raise ArtifactError(
            f"No checkpoint in {self.folder} can be restored.",
            "Put sound copies of the files that are named above in their place and run the same command again. "
            "Only if there are none: --no-resume starts anew, and what is there is lost.",
        )


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, SpirlError) else f"{type(error).__name__}: {error}"


def _checkpoint_seconds(chosen: float) -> float:
    text = os.environ.get(CHECKPOINT_SECONDS_VARIABLE)
    if not text:
        return chosen
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise UsageError(f"{CHECKPOINT_SECONDS_VARIABLE} is '{text}', not a number of seconds.")
    return seconds
