"""Success of the scripted demonstrator: `python -m benchmarks.kitchen_expert --seeds 100`.

It prints success rates and steps of each subtask alone and of sequences of four subtasks.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
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
    """Summary of a set of demonstrations.

    Attributes:
        success: share of demonstrations that completed their plan.
        steps: subtask → steps since the subtask before it, one number per successful demonstration.
        lengths: number of steps of each successful demonstration.
        failed: first uncompleted subtask → number of failed demonstrations.
        restarts: number of restarts of subtasks in all demonstrations.
    """

    success: float
    steps: dict[str, list[int]]
    lengths: list[int]
    failed: Counter[str]
    restarts: int


def measure(demonstrations: list[Demonstration]) -> Measured:
    """Summarise demonstrations."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each subtask alone, then sequences, and print tables."""
    options = _parser().parse_args(arguments)
    seeds = [np.random.SeedSequence(0, spawn_key=(number,)) for number in range(options.seeds)]
    if options.alone:
        _each_alone(seeds)
    for plans in options.plans:
        _sequences(plans, seeds)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kitchen_expert", description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="episodes of each kind (default: %(default)s)")
    parser.add_argument("--alone", action=argparse.BooleanOptionalAction, default=True, help="each subtask alone")
    parser.add_argument("--plans", nargs="*", default=["human", "uniform"], help="kinds of sequences")
    return parser


def _each_alone(seeds: list[np.random.SeedSequence]) -> None:
    demonstrator = Demonstrator(KitchenExpert())
    for task in KITCHEN_TASKS:
        alone = measure([demonstrator.play(_again(seed), (task,)) for seed in seeds])
        print(f"{task:15} {alone.success:6.1%} {_median(alone.steps[task]):6.1f} steps, {alone.restarts} restarts")


def _median(steps: list[int]) -> float:
    """Return the median; NaN if no demonstration succeeded."""
    return float(np.median(steps)) if steps else float("nan")


def _sequences(plans: str, seeds: list[np.random.SeedSequence]) -> None:
    began = time.perf_counter()
    demonstrator = Demonstrator(KitchenExpert.model_validate({"plans": plans}))
    sequences = measure([demonstrator.play(_again(seed)) for seed in seeds])
    seconds = time.perf_counter() - began
    print(f"{plans} plans: {sequences.success:.1%}, {_median(sequences.lengths):.0f} steps, failed {sequences.failed}")
    print(f"  {sequences.restarts} restarts, {seconds / len(seeds):.2f} s per episode")
    for task, taken in sequences.steps.items():
        if taken:
            median, times = np.median(taken), np.median(taken) / HUMAN_STEPS[task]
            print(f"  {task:15} {median:6.1f} steps, {times:.2f} times as many as people, {len(taken)} times")


def _again(seed: np.random.SeedSequence) -> np.random.SeedSequence:
    """Return a copy that has spawned nothing, since a seed that has spawned gives other children."""
    return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)


if __name__ == "__main__":
    sys.exit(main())
