"""A thousand planned cells: how long `--dry-run` and `status` take."""

from __future__ import annotations

import json
import time
from pathlib import Path

from benchmarks.sweeps.scene import Scene, load, store_of
from spirl_cli.errors import Interrupted
from spirl_cli.store.store import Store
from spirl_cli.sweep.cells import Cell
from spirl_cli.sweep.drive import Sweep
from spirl_cli.sweep.engine import Work
from spirl_cli.sweep.record import sweep_folder

_SEEDS = range(1000)
_LIMIT = 5.0  # seconds


class _Nobody:
    """An engine that runs nothing, so that the sweep is only recorded."""

    def run(self, work: Work) -> None:
        """Stop before the first job."""
        raise Interrupted("recorded", "")


def measure(scene: Scene) -> bool:
    """Print the two times; returns whether both are below five seconds."""
    store = "store-planned"
    dry = _cpu_and_wall(scene, "sweep", "maze", "--seeds", f"0-{_SEEDS[-1]}", *store_of(store), "--dry-run")
    _record(scene.folder / store)
    status = _cpu_and_wall(scene, "sweep", "status", *store_of(store))
    for name, (cpu, wall) in {"--dry-run": dry, "status": status}.items():
        print(f"{name:<10} {cpu:.1f} s of the processor, {wall:.1f} s in all ({load()})")
    return dry[0] < _LIMIT and status[0] < _LIMIT


def _record(root: Path) -> None:
    cells = [Cell("maze", "maze", seed=seed) for seed in _SEEDS]
    sweep = Sweep("maze", cells, Store(root), sweep_folder(root, "maze"))
    try:
        sweep.run(lambda submitted, remember: _Nobody(), lambda text: None)
    except Interrupted:
        assert len(json.loads((root / "sweeps/maze/sweep.json").read_bytes())["plan"]["cells"]) == len(_SEEDS)


def _cpu_and_wall(scene: Scene, *arguments: str) -> tuple[float, float]:
    """Return the seconds of the processor and of the clock that a command takes."""
    import resource

    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    scene.seconds(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - began
