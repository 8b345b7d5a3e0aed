"""Trackio: files below `TRACKIO_DIR`, shown by `trackio show`; the project is `TRACKIO_PROJECT` or `spirl`."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping

import trackio

from spirl_cli.tracking.tracker import PROJECT, Made, TrackedRun


class TrackioTracker:
    """Writes to one run of Trackio."""

    def begin(self, run: TrackedRun, known: str | None) -> str:
        """Open the run, or go on with the one of this name."""
        name = known or f"{run.title} {uuid.uuid4().hex[:6]}"
        self._run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT") or PROJECT,
            name=name,
            group=run.labels["recipe"],
            config={**run.parameters, **{f"run.{key}": value for key, value in run.labels.items()}},
            resume="allow" if known is not None else "never",
        )
        return name

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the metrics of one step."""
        self._run.log(dict(values), step=step)

    def end(self, made: Made | None) -> None:
        """Log artifact and headline numbers, and close the run."""
        if made is not None:
            self._run.log({"artifact": made.reference, "artifact path": made.path, **made.metrics})
        self._run.finish()
