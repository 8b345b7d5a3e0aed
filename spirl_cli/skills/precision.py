"""Number formats of matrix products: `precision` of a recipe (docs/speed.md#precision)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import torch

from spirl_cli.settings import Precision

PROCESSOR = Path("/proc/cpuinfo")
WITH_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # flags of processors, of x86 and of ARM


@cache
def has_bfloat16(device: str, processor: Path = PROCESSOR) -> bool:
    """Say whether a device multiplies bfloat16 matrices faster than float32 ones.

    Args:
        device: `cpu` or `cuda`.
        processor: Linux' description of the processor; other systems have none, and count as slow.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    if not processor.exists():
        return False
    lines = processor.read_text().splitlines()
    flags = (line.split(":")[-1].split() for line in lines if line.startswith(("flags", "Features")))
    return not WITH_BFLOAT16.isdisjoint(next(flags, []))


def uses_bfloat16(precision: Precision, device: str) -> bool:
    """Say whether a recipe's `precision` means bfloat16 on a device."""
    return precision == "bfloat16" or (precision == "auto" and has_bfloat16(device))


class Products:
    """Contexts in which networks multiply with a recipe's precision; sums, weights and optimisers stay float32.

    Args:
        precision: of a recipe's section.
        device: of the networks, `cpu` or `cuda`.
    """

    def __init__(self, precision: Precision, device: str) -> None:
        self.bfloat16, self._device = uses_bfloat16(precision, device), device

    def __call__(self) -> AbstractContextManager[object]:
        """Return a context for one forward pass, between two changes of the weights."""
        return torch.autocast(self._device, torch.bfloat16) if self.bfloat16 else contextlib.nullcontext()


@contextlib.contextmanager
def exact_products(device: str) -> Iterator[None]:
    """Multiply in float32 within the block, whatever is chosen around it."""
    if not torch.is_autocast_enabled(device):
        yield
        return
    with torch.autocast(device, enabled=False):
        yield
