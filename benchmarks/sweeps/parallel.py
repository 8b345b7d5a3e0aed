"""Two stages side by side on two cores against the same cells one after the other."""

from __future__ import annotations

import shutil
import statistics

from benchmarks.sweeps.scene import Scene, load, store_of

# about a minute and a half for each cell on one core, nearly all of it in stages of its own
_CELLS = (
    "gymnasium",
    "--grid",
    "train_rl.discount=0.95,0.99",
    "--set",
    "train_rl.steps=20000",
    "--set",
    "evaluate.episodes=20",
    "--set",
    "evaluate.video_episodes=0",
    "--set",
    "train_rl.environments=1",
)


def measure(scene: Scene, rounds: int) -> bool:
    """Alternate the two and print how much faster the first is; returns whether it is 1.8 times."""
    shared = "store-shared"
    for command in ("extract", "train-skills", "train-prior"):
        scene.seconds(command, "gymnasium", *store_of(shared))
    ratios = []
    for number in range(rounds):
        took = {}
        for jobs in ("1", "2"):
            store = f"store-jobs-{jobs}"
            shutil.rmtree(scene.folder / store, ignore_errors=True)
            shutil.copytree(scene.folder / shared, scene.folder / store)
            took[jobs] = scene.seconds("sweep", *_CELLS, *store_of(store), "--jobs", jobs)
        ratios.append(took["1"] / took["2"])
        print(
            f"round {number + 1}: one after the other {took['1']:.0f} s, side by side {took['2']:.0f} s: "
            f"{ratios[-1]:.2f} times as fast ({load()})",
            flush=True,
        )
    print(f"median {statistics.median(ratios):.2f} times as fast")
    return statistics.median(ratios) >= 1.8
