"""The same eight cells by each engine: the same fingerprints and bits, no stage made twice."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.sweeps.scene import EIGHT_CELLS, Made, Scene, load, store_of


def compare(scene: Scene, engines: Sequence[str]) -> bool:
    """Run the cells by each engine and print how they compare with the first; returns whether all are the same."""
    print(f"8 cells: spirl sweep {' '.join(EIGHT_CELLS)}")
    first: Made | None = None
    fine = True
    for engine in engines:
        jobs = ("--jobs", "2") if engine == "local" else ()
        store = f"store-{engine}"
        plan = scene.answer("sweep", *EIGHT_CELLS, *store_of(store), "--dry-run")
        seconds = scene.seconds("sweep", *EIGHT_CELLS, *store_of(store), "--engine", engine, *jobs)
        made = scene.made(store)
        first = first or made
        differing = made.differences(first)
        twice = made.count - len(made.fingerprints)
        same = made.fingerprints == first.fingerprints and not differing and twice == 0
        fine &= same
        print(
            f"{engine:<6} {seconds:6.0f} s, {len(plan['cells'])} cells, {plan['left']} stages to make, "
            f"{made.count} made, {twice} twice, {len(made.contents)} files compared, {len(differing)} differ "
            f"({load()})",
            flush=True,
        )
        print(*(f"       differs: {file}" for file in differing), sep="\n", end="\n" if differing else "")
    return fine
