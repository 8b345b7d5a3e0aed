"""Means with bootstrap intervals.

The bootstrap resamples the numbers of episodes. Where several seeds of a whole pipeline were
evaluated, it resamples the seeds first. The interval then covers how far another seed may fall,
not only the noise between the episodes of these seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean and the two ends of its confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def bootstrap_mean(
    groups: Sequence[Sequence[float] | Floats],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Mean over groups (seeds) of the mean over their values (episodes), with its interval.

    The percentile bootstrap on two levels: each resample draws as many groups as there are,
    with replacement, and within every drawn group its values, with replacement. With one
    group it is the ordinary bootstrap of a mean. Every group weighs the same.

    Args:
        groups: one sequence of numbers per seed; none may be empty.
        resamples: number of bootstrap resamples.
        seed: of the resampling, so that the same numbers give the same interval.
        confidence: mass inside the interval.

    Raises:
        ValueError: without any group, or with an empty one.
    """
    arrays = [np.asarray(group, dtype=np.float64) for group in groups]
    if not arrays or any(array.size == 0 for array in arrays):
        raise ValueError("a bootstrap interval needs at least one value in every group")
    rng = np.random.default_rng(seed)
    totals = np.zeros(resamples)
    for _ in arrays:
        totals += _resampled_means(arrays, resamples, rng)
    tail = 100.0 * (1.0 - confidence) / 2.0
    low, high = np.percentile(totals / len(arrays), [tail, 100.0 - tail])
    mean = float(np.mean([array.mean() for array in arrays]))
    return Estimate(mean, float(low), float(high))


def interval_name(seeds: int, values: str = "episodes") -> str:
    """Return how `bootstrap_mean` makes the interval of so many seeds, with its default confidence."""
    return f"95 % bootstrap over {'seeds and ' if seeds > 1 else ''}{values}"


def _resampled_means(arrays: Sequence[Floats], resamples: int, rng: np.random.Generator) -> Floats:
    """For every resample: the mean of a resampled group, the group itself drawn at random."""
    chosen = rng.integers(len(arrays), size=resamples)
    means = np.empty(resamples)
    for index, array in enumerate(arrays):
        rows = np.flatnonzero(chosen == index)
        means[rows] = array[rng.integers(array.size, size=(rows.size, array.size))].mean(axis=1)
    return means


def metric_rates(
    metrics: Sequence[Mapping[str, float]], *, resamples: int = 10_000, seed: int = 0
) -> dict[str, Estimate]:
    """Mean and interval of every metric over episodes: for 0/1 metrics, such as subtasks, the rate.

    Args:
        metrics: one mapping per episode, all with the same keys.
    """
    if not metrics:
        return {}
    return {
        name: bootstrap_mean([[row[name] for row in metrics]], resamples=resamples, seed=seed) for name in metrics[0]
    }
