"""TensorBoard: all runs below one folder, with their parameters as text."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from spirl_cli.monitor.events import EventFile
from spirl_cli.tracking.tracker import Made, TrackedRun

FOLDER_VARIABLE = "SPIRL_TENSORBOARD_DIR"


class TensorBoardTracker:
    """Writes event files to `tensorboard/<recipe>/<stage>/<fingerprint>/` in the working folder.

    `SPIRL_TENSORBOARD_DIR` names another folder than `tensorboard`.
    """

    def begin(self, run: TrackedRun, known: str | None) -> str:
        """Open the run's folder, the same one in each session."""
        root = Path(os.environ.get(FOLDER_VARIABLE) or "tensorboard")
        folder = Path(known) if known is not None else _unused(root / run.name / run.fingerprint)
        self._events = EventFile(folder)
        if known is None:
            self._events.add_text(0, {"parameters": _table(run.parameters), "run": _table(run.labels)})
        return str(folder)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append the metrics of one step."""
        self._events.add(step, values)

    def end(self, made: Made | None) -> None:
        """Append the artifact's reference and close the file."""
        if made is not None:
            self._events.add_text(0, {"artifact": f"{made.reference}\n\n{_table(made.metrics)}"})
        self._events.close()


def _unused(folder: Path) -> Path:
    """Return a folder for a run that starts anew, beside those of earlier attempts."""
    attempts = (folder if number == 1 else folder.with_name(f"{folder.name}-{number}") for number in range(1, 1000))
    return next(attempt for attempt in attempts if not attempt.exists())


def _table(values: Mapping[str, object]) -> str:
    """Write values as the Markdown table that TensorBoard shows."""
    rows = (f"| {key} | {value} |" for key, value in values.items())
    return "\n".join(["| key | value |", "|---|---|", *rows])
