"""Clocks, and a unit of time that makes different computers comparable."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch

MATMUL_SIZE = 256
MATMUL_REPEATS = 50


def seconds_per_call(call: Callable[[], object], repeats: int) -> float:
    """Measure the mean wall-clock seconds of a call, over `repeats` calls in a row."""
    begun = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begun) / repeats


def matmul_seconds() -> float:
    """Measure the seconds of a 256³ float32 matrix product, with torch's present number of threads."""
    left, right = torch.randn(2, MATMUL_SIZE, MATMUL_SIZE)
    out = torch.empty_like(left)
    seconds_per_call(lambda: torch.mm(left, right, out=out), MATMUL_REPEATS)  # warm up
    return median(seconds_per_call(lambda: torch.mm(left, right, out=out), MATMUL_REPEATS) for _ in range(5))
