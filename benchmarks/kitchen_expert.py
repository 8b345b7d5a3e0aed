"""How well the scripted demonstrator does: success rates and steps, per subtask and for sequences.

python -m benchmarks.kitchen_expert --seeds 100
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from spirl_cli.domains.kitchen.expert.demonstrator import Demonstration, Demonstrator
from spirl_cli.domains.kitchen.section import KITCHEN_TASKS, KitchenExpert

HUMAN_STEPS = {
    "microwave": 48.0,
    "kettle": 42.0,
    "bottom burner": 67.0,
    "top burner": 46.5,
    "light switch": 48.5,
    "slide cabinet": 41.5,
    "hinge cabinet": 68.5,
}  # medians of human demonstrations


@dataclass(frozen=True)
class Measured:
    """Success rate, and of each subtask the steps since the one before, over some demonstrations."""

    success: float
    steps: dict[str, list[int]]
    lengths: list[int]
    failed: Counter[str]
    restarts: int


def measure(demonstrations: list[Demonstration]) -> Measured:
    """Sum up demonstrations; the steps are those of the successful ones."""
    steps: dict[str, list[int]] = {task: [] for task in KITCHEN_TASKS}
    failed: Counter[str] = Counter()
    for one in demonstrations:
        if not one.success:
            failed[next((task for task in one.plan if task not in one.completed), "undone")] += 1
            continue
        before = 0
        for task in one.plan:
            steps[task].append(one.completed[task] - before)
            before = one.completed[task]
    lengths = [len(one.actions) for one in demonstrations if one.success]
    restarts = sum(one.restarts for one in demonstrations)
    return Measured(float(np.mean([one.success for one in demonstrations])), steps, lengths, failed, restarts)


def main() -> None:
    """Measure each subtask alone, then sequences, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="episodes of each kind")
    parser.add_argument("--alone", action=argparse.BooleanOptionalAction, default=True, help="each subtask alone")
    parser.add_argument("--plans", nargs="*", default=["human", "uniform"], help="kinds of sequences")
    arguments = parser.parse_args()
    seeds = [np.random.SeedSequence(0, spawn_key=(number,)) for number in range(arguments.seeds)]
    if arguments.alone:
        demonstrator = Demonstrator(KitchenExpert())
        for task in KITCHEN_TASKS:
            alone = measure([demonstrator.play(_again(seed), (task,)) for seed in seeds])
            print(
                f"{task:15} {alone.success:6.1%} {np.median(alone.steps[task]):6.1f} steps, {alone.restarts} restarts"
            )
    for plans in arguments.plans:
        _sequences(plans, seeds)


def _sequences(plans: str, seeds: list[np.random.SeedSequence]) -> None:
    began = time.perf_counter()
    demonstrator = Demonstrator(KitchenExpert.model_validate({"plans": plans}))
    sequences = measure([demonstrator.play(_again(seed)) for seed in seeds])
    seconds = time.perf_counter() - began
    print(
        f"{plans} plans: {sequences.success:.1%}, {np.median(sequences.lengths):.0f} steps, failed {sequences.failed}"
    )
    print(f"  {sequences.restarts} restarts, {seconds / len(seeds):.2f} s per episode")
    for task, taken in sequences.steps.items():
        if taken:
            median, times = np.median(taken), np.median(taken) / HUMAN_STEPS[task]
            print(f"  {task:15} {median:6.1f} steps, {times:.2f} times as many as people, {len(taken)} times")


def _again(seed: np.random.SeedSequence) -> np.random.SeedSequence:
    """Return the seed as new: spawning from it would give others each time."""
    return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)


if __name__ == "__main__":
    main()
