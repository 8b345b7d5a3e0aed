"""Means with bootstrap intervals.

The bootstrap resamples episodes. If several seeds of a whole pipeline were evaluated, it resamples the seeds first. The
interval then covers the variation between seeds, not only the noise between the episodes of a seed.
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
    """Return the mean over groups (seeds) of the mean over their values (episodes), with its interval.

    This is the percentile bootstrap on two levels: each resample draws groups with replacement, as many as there are,
    and the values of each drawn group with replacement. With one group it is the ordinary bootstrap of a mean. All
    groups have equal weights.

    Args:
        groups: one sequence of numbers per seed; none may be empty.
        resamples: number of bootstrap resamples.
        seed: seed of the resampling, so that equal numbers give equal intervals.
        confidence: probability mass inside the interval.

    Raises:
        ValueError: there is no group, or an empty one.
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
    """Return the name of the interval of `bootstrap_mean`, at its default confidence."""
    return f"95 % bootstrap over {'seeds and ' if seeds > 1 else ''}{values}"


def _resampled_means(arrays: Sequence[Floats], resamples: int, rng: np.random.Generator) -> Floats:
    """Return, for every resample, the mean of a resampled group that is drawn at random."""
    chosen = rng.integers(len(arrays), size=resamples)
    means = np.empty(resamples)
    for index, array in enumerate(arrays):
        rows = np.flatnonzero(chosen == index)
        means[rows] = array[rng.integers(array.size, size=(rows.size, array.size))].mean(axis=1)
    return means


def metric_rates(
    metrics: Sequence[Mapping[str, float]], *, resamples: int = 10_000, seed: int = 0
) -> dict[str, Estimate]:
    """Return mean and interval of every metric over episodes; the mean of a 0/1 metric is a rate.

    Args:
        metrics: one mapping per episode, all with the same keys.
    """
    if not metrics:
        return {}
    return {
        name: bootstrap_mean([[row[name] for row in metrics]], resamples=resamples, seed=seed) for name in metrics[0]
    }
