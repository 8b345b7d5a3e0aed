"""Means and rates with 95 % intervals that stay honest where episodes are few or equal (docs/results.md#intervals).

- One seed, values 0 and 1: Wilson's score interval (Wilson 1927; Brown, Cai and DasGupta 2001), which has a width even
  where all episodes succeed.
- One seed, other values: the percentile bootstrap of the mean; with fewer than `FEW` episodes, where that is too narrow
  (Hesterberg 2015), Student's t.
- Several seeds: the percentile bootstrap that resamples seeds, then the episodes of each. It covers the variation
  between seeds, not only the noise between episodes. It is made no narrower than the interval of Wilson or Student for
  all episodes together, where one of these applies.
- All values equal: by Wilson's bound for 0 of n, at most a share p of all episodes has another value, so the mean is
  at most p times the metric's range away. Without a known range nothing is known, and the interval says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Groups = Sequence[Sequence[float] | Floats]
Range = tuple[float, float]
Statistic = Callable[[Floats], Floats]  # (k, B) means of k seeds → (B,)

Z = 1.959963984540054  # 97.5 % quantile of the standard normal distribution
FEW = 30  # episodes below which the bootstrap is too narrow
RATE: Range = (0.0, 1.0)
UNKNOWN = "unknown: all values are equal"
# 97.5 % quantiles of Student's t for 1 to 28 degrees of freedom
_STUDENT = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448),
    *(2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484),
)


class Interval(Protocol):
    """The ends of an interval and how it was made, as in an estimate or a row of results."""

    @property
    def low(self) -> float:
        """Lower end."""

    @property
    def high(self) -> float:
        """Upper end."""

    @property
    def interval(self) -> str | None:
        """Kind of the interval."""


@dataclass(frozen=True)
class Estimate:
    """A mean, the two ends of its confidence interval, and the kind of the interval."""

    mean: float
    low: float
    high: float
    interval: str

    def __str__(self) -> str:
        return f"{self.mean:.2f} {interval_text(self)}"


def interval_text(one: Interval) -> str:
    """Write an interval as `[0.51, 1.00]`, or say that nothing is known."""
    return f"[{one.low:.2f}, {one.high:.2f}]" if one.interval != UNKNOWN else "[?, all equal]"


def is_below(one: Interval, other: Interval) -> bool:
    """Say whether an interval lies below another one without touching it; an unknown one lies nowhere."""
    return UNKNOWN not in (one.interval, other.interval) and one.high < other.low


def mean_of_seeds(means: Floats) -> Floats:
    """Return the mean over seeds of their means `(k, B)`, `(B,)`."""
    return np.asarray(np.add.reduce(means, axis=0) / len(means))


def interquartile_mean(means: Floats) -> Floats:
    """Return the mean of the middle half of the means of k seeds `(k, B)`, `(B,)` (Agarwal et al., NeurIPS 2021).

    A quarter of the weight is cut off at either end; of a seed at the cut, a share counts.
    """
    edges = np.arange(len(means) + 1) / len(means)  # seed i, in order, has the weight between edges i and i + 1
    weights = np.diff(np.clip(edges, 0.25, 0.75))
    return np.asarray(weights @ np.sort(means, axis=0) / weights.sum())


def estimate(
    groups: Groups,
    bounds: Range | None = None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    values: str = "episodes",
    statistic: Statistic = mean_of_seeds,
) -> Estimate:
    """Return the mean over seeds of the mean over their episodes, with its 95 % interval.

    Args:
        groups: one sequence of numbers per seed; none may be empty. All have equal weights.
        bounds: smallest and largest possible value; None if unknown.
        resamples: number of bootstrap resamples.
        seed: seed of the resampling, so that equal numbers give equal intervals.
        values: what a number is about, for the name of the interval.
        statistic: what is made of the means of the seeds.

    Raises:
        ValueError: there is no group, or an empty one.
    """
    arrays = [np.asarray(group, dtype=np.float64) for group in groups]
    if not arrays or any(array.size == 0 for array in arrays):
        raise ValueError("an interval needs at least one value in every group")
    pooled = np.concatenate(arrays)
    if bounds is not None and (pooled.min() < bounds[0] or pooled.max() > bounds[1]):
        bounds = None  # they are not what they say
    center = float(statistic(np.array([[array.mean()] for array in arrays]))[0])
    if np.all(pooled == pooled[0]):
        return _of_equal(center, pooled.size, bounds)
    alone = _closed_form(center, pooled, bounds)
    if alone is not None and len(arrays) == 1:
        return alone
    drawn = statistic(_resampled_means(arrays, resamples, np.random.default_rng(seed)))
    low, high = (float(end) for end in np.percentile(drawn, [2.5, 97.5]))
    name = f"95 % bootstrap over {'seeds and ' if len(arrays) > 1 else ''}{values}"
    if alone is None or (low <= alone.low and high >= alone.high):
        return Estimate(center, low, high, name)
    return Estimate(center, min(low, alone.low), max(high, alone.high), f"{name}, widened to {alone.interval}")


def wilson(rate: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a rate that was seen in so many episodes."""
    shrunk = (rate + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * math.sqrt(rate * (1 - rate) / count + Z**2 / (4 * count**2))
    return max(0.0, min(rate, shrunk - half)), min(1.0, max(rate, shrunk + half))


def difference(left: Estimate, right: Estimate) -> Estimate:
    """Return right − left of independent estimates, with an interval from their own ones.

    For rates with Wilson's intervals this is Newcombe's interval (1998, method 10); Zou and Donner (2008) do the same
    for any two intervals.
    """
    mean = right.mean - left.mean
    if UNKNOWN in (left.interval, right.interval):
        return Estimate(mean, mean, mean, UNKNOWN)
    down = math.hypot(right.mean - right.low, left.high - left.mean)
    up = math.hypot(right.high - right.mean, left.mean - left.low)
    return Estimate(mean, mean - down, mean + up, "95 % of two independent intervals (Newcombe)")


def metric_rates(
    metrics: Sequence[Mapping[str, float]], *, resamples: int = 10_000, seed: int = 0
) -> dict[str, Estimate]:
    """Return mean and interval of every metric over episodes; the mean of a metric of 0 and 1 is a rate.

    Args:
        metrics: one mapping per episode, all with the same keys.
    """
    if not metrics:
        return {}
    columns = {name: np.array([row[name] for row in metrics], np.float64) for name in metrics[0]}
    return {
        name: estimate([column], RATE if _is_rate(column) else None, resamples=resamples, seed=seed)
        for name, column in columns.items()
    }


def _is_rate(pooled: Floats) -> bool:
    return bool(np.isin(pooled, RATE).all())


def _of_equal(value: float, count: int, bounds: Range | None) -> Estimate:
    """Return the estimate from values that are all the same."""
    if bounds is None:
        return Estimate(value, value, value, UNKNOWN)
    share = wilson(0.0, count)[1]  # of all episodes, that may have another value
    name = "95 % Wilson" if bounds == RATE else "95 % Wilson of the share that differs"
    return Estimate(value, value - share * (value - bounds[0]), value + share * (bounds[1] - value), name)


def _closed_form(center: float, pooled: Floats, bounds: Range | None) -> Estimate | None:
    """Return the interval that needs no resampling, as if there was one seed; None for many values of any kind."""
    if bounds in (RATE, None) and _is_rate(pooled):
        return Estimate(center, *wilson(center, pooled.size), "95 % Wilson")
    if pooled.size >= FEW:
        return None
    half = _STUDENT[pooled.size - 2] * float(pooled.std(ddof=1)) / math.sqrt(pooled.size)
    least, most = bounds or (-math.inf, math.inf)
    return Estimate(center, max(least, center - half), min(most, center + half), "95 % Student's t")


def _resampled_means(arrays: Sequence[Floats], resamples: int, rng: np.random.Generator) -> Floats:
    """Return for every resample the means of as many groups as there are, `(k, resamples)`.

    Each is the mean of a resample of a group that is drawn at random.
    """
    means = np.empty((len(arrays), resamples))
    for drawn in means:
        chosen = rng.integers(len(arrays), size=resamples)
        for index, array in enumerate(arrays):
            rows = np.flatnonzero(chosen == index)
            drawn[rows] = array[rng.integers(array.size, size=(rows.size, array.size))].mean(axis=1)
    return means
