"""All trackers: those of spirl, and those that other packages register.

A package registers a tracker by an entry point of the group `spirl.trackers`. Its name is what `--track` takes, and it
points to a class with the methods of `Tracker` (`spirl_cli/tracking/tracker.py`).
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from spirl_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from spirl_cli.tracking.tracker import Tracker

GROUP = "spirl.trackers"
_BUILT_IN = {
    "tensorboard": "spirl_cli.tracking.tensorboard:TensorBoardTracker",
    "wandb": "spirl_cli.tracking.wandb:WandbTracker",
    "mlflow": "spirl_cli.tracking.mlflow:MLflowTracker",
    "trackio": "spirl_cli.tracking.trackio:TrackioTracker",
}


def _registered() -> dict[str, EntryPoint]:
    """Return the trackers of other packages by name; they cannot replace one of spirl's own."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _BUILT_IN}


def tracker_names(text: str | None) -> tuple[str, ...]:
    """Return the names in a list such as `tensorboard,wandb`, each once; none for None.

    Raises:
        UsageError: there is no tracker of this name.
    """
    names = tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))
    known = (*_BUILT_IN, *sorted(_registered())) if names else ()
    for name in names:
        if name not in known:
            close = did_you_mean(name, known)
            raise UsageError(f"--track: there is no tracker '{name}'.{close}", f"the trackers: {', '.join(known)}")
    return names


def make_tracker(name: str) -> Tracker:
    """Make the tracker of this name.

    Raises:
        Exception: whatever its module raises, such as `ImportError` where its library is not installed.
    """
    point = _registered().get(name)
    if point is not None:
        return point.load()()
    module, kind = _BUILT_IN[name].split(":")
    return getattr(import_module(module), kind)()
