"""Running statistics of one array of a dataset, episode by episode."""

from __future__ import annotations

import math

import numpy as np

SAMPLED_ROWS = 20_000  # of each array, for pictures
_SAMPLED_NUMBERS = 2_000_000  # of each array at most


def is_image(dtype: np.dtype, shape: tuple[int, ...]) -> bool:
    """Say whether a row of this type and shape looks like an image: bytes along two axes or more."""
    return dtype == np.uint8 and len(shape) >= 2


class Column:
    """Statistics of an array with one row per step; memory holds a sample of its rows.

    Of an image only the range of all its pixels is known.

    Args:
        key: path in the observation, or None for a plain array.
        dtype: type of its numbers.
        shape: of one row.

    Attributes:
        rows: number of rows so far.
        low, high: `(D,)` smallest and largest finite values; `(1,)` of an image. Infinite where there is none.
        nan, infinite: counts of numbers that are NaN or infinite.
    """

    def __init__(self, key: str | None, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self.key, self.dtype, self.shape = key, dtype, shape
        numbers = 1 if self.is_image else self.size
        self.rows = self.nan = self.infinite = 0
        self.low, self.high = np.full(numbers, np.inf), np.full(numbers, -np.inf)
        self._count, self._mean, self._squares = np.zeros(numbers), np.zeros(numbers), np.zeros(numbers)
        self._sample: list[np.ndarray] = []

    @property
    def size(self) -> int:
        """Number D of numbers in a row."""
        return math.prod(self.shape)

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.dtype.kind in "biuf"

    @property
    def is_image(self) -> bool:
        """Whether a row looks like an image."""
        return is_image(self.dtype, self.shape)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each number, `(D,)`; NaN where it was never finite."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(self._squares / self._count)

    @property
    def constants(self) -> list[int]:
        """Positions of the numbers that never change."""
        return [int(place) for place in np.flatnonzero(self.low == self.high)]

    @property
    def mean(self) -> np.ndarray:
        """Mean of each number over its finite values, `(D,)`."""
        return np.where(self._count > 0, self._mean, np.nan)

    @property
    def sample(self) -> np.ndarray:
        """Rows spread evenly over the episodes, `(n, D)`."""
        return np.concatenate(self._sample) if self._sample else np.zeros((0, len(self.low)))

    def fits(self, rows: np.ndarray) -> bool:
        """Say whether the rows of another episode have the same shape and kind of type."""
        return rows.shape[1:] == self.shape and rows.dtype.kind == self.dtype.kind

    def add(self, rows: np.ndarray, keep: int) -> None:
        """Take the rows of an episode.

        Args:
            rows: `(T, …)`.
            keep: how many of them go into the sample.
        """
        self.rows += len(rows)
        if not self.numeric or not rows.size:
            return
        if self.is_image:
            self._add_image(rows)
            return
        values = rows.reshape(len(rows), -1).astype(np.float64)
        self._add_numbers(values)
        affordable = max(keep * _SAMPLED_NUMBERS // (SAMPLED_ROWS * self.size), 1) if keep else 0
        places = np.linspace(0, len(values) - 1, min(keep, affordable, len(values))).astype(int)
        self._sample.append(values[np.unique(places)])

    def _add_image(self, rows: np.ndarray) -> None:
        self.low = np.minimum(self.low, float(rows.min()))
        self.high = np.maximum(self.high, float(rows.max()))

    def _add_numbers(self, values: np.ndarray) -> None:
        """Update range, mean and squares; batches are merged by Chan's formula."""
        finite = np.isfinite(values)
        self.nan += int(np.isnan(values).sum())
        self.infinite += int(np.isinf(values).sum())
        self.low = np.minimum(self.low, np.where(finite, values, np.inf).min(axis=0))
        self.high = np.maximum(self.high, np.where(finite, values, -np.inf).max(axis=0))
        count = finite.sum(axis=0)
        mean = np.where(finite, values, 0).sum(axis=0) / np.maximum(count, 1)
        self._merge(count, mean, np.where(finite, (values - mean) ** 2, 0).sum(axis=0))

    def include(self, other: Column) -> None:
        """Take the statistics of the same array of another dataset."""
        self.rows += other.rows
        self.nan, self.infinite = self.nan + other.nan, self.infinite + other.infinite
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        self._merge(other._count, other._mean, other._squares)
        self._sample += other._sample

    def _merge(self, count: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> None:
        total = np.maximum(self._count + count, 1)
        shift = mean - self._mean
        self._squares += squares + shift**2 * self._count * count / total
        self._mean += shift * count / total
        self._count += count
