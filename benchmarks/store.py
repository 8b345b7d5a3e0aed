"""Times of commands that look at a store of 5,000 artifacts, and of a sweep's plan of 1,000 cells."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.many_artifacts import RECIPE, fill_store
from benchmarks.measurement import Measurement
from benchmarks.startup import completion, measurement, runs_of
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.store.store import ROOT_VARIABLE

PIPELINES = 1000
LIMIT, SWEEP_LIMIT = 500, 5000  # milliseconds
COMMANDS: dict[str, tuple[str, ...]] = {
    "spirl list": ("list",),
    "spirl show": ("show", f"{RECIPE}/agent"),
    "run --dry-run, up to date": ("run", RECIPE, "--dry-run"),
    "run --dry-run, all stale": ("run", RECIPE, "--dry-run", "--set", "train_skills.horizon=12"),
    "completion of an artifact": (),
}


def measure(seconds: float, reporter: Reporter, pipelines: int = PIPELINES) -> list[Measurement]:
    """Fill a store in a temporary folder, list it once, and run every command for its share of the time."""
    cells = ("sweep", RECIPE, "--seeds", f"{pipelines // 2}-{pipelines // 2 + pipelines - 1}", "--dry-run")
    share = seconds / (len(COMMANDS) + 1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "artifacts"
        reporter.message(f"writing {len(fill_store(root, pipelines))} artifacts")
        here = {ROOT_VARIABLE: str(root), "XDG_CACHE_HOME": str(Path(folder) / "cache")}
        runs_of(("list",), 0.0, here)
        tab = here | completion("spirl show m")
        runs = {name: runs_of(arguments, share, here if arguments else tab) for name, arguments in COMMANDS.items()}
        found = [measurement(name, times, LIMIT) for name, times in runs.items()]
        return [*found, measurement("sweep --dry-run, half of it new", runs_of(cells, share, here), SWEEP_LIMIT)]
