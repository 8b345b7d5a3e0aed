"""Gradients of a batch in parts, which threads compute side by side.

A batch has a number of parts that a recipe chooses, and their gradients are added in their order. So the result depends
on the number of parts, and neither on the number of cores nor on which thread computed what. A thread that has nothing
to do waits without using a processor: beside other work, parts are only computed later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import torch
from torch import Tensor, nn

from spirl_cli.monitor.children import usable_cores

Losses: TypeAlias = tuple[Tensor, dict[str, Tensor]]  # what to minimise, and what to tell of it
Gradients: TypeAlias = tuple[tuple[Tensor, ...], dict[str, Tensor]]


class SideBySide:
    """Computes gradients of the same parameters for several parts of a batch.

    Args:
        parameters: what is trained; all of them take part in every loss.
        parts: number of parts of a batch.
        threads: how many work at once; by default as many as there are parts and cores.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], parts: int, threads: int | None = None) -> None:
        self.parameters, self.parts = parameters, parts
        helpers = min(parts, usable_cores() if threads is None else threads) - 1
        self._pool = ThreadPoolExecutor(helpers, initializer=torch.set_num_threads, initargs=(1,)) if helpers else None

    def backward(self, losses: Callable[[int], Losses]) -> dict[str, Tensor]:
        """Set the gradients of the parameters to the mean over all parts; return the means of what losses tell.

        Args:
            losses: returns the losses of a part, from its number; threads call it at the same time.
        """
        parts = self._computed(lambda part: self._gradients(losses, part))
        gradients, told = parts[0]
        for more, tells in parts[1:]:
            gradients = torch._foreach_add(gradients, more)
            told = {name: value + tells[name] for name, value in told.items()}
        if self.parts > 1:
            gradients = torch._foreach_div(gradients, self.parts)
            told = {name: value / self.parts for name, value in told.items()}
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            fits = gradient.stride() == parameter.stride()  # as fused optimisers need it
            parameter.grad = gradient if fits else torch.empty_like(parameter).copy_(gradient)
        return told

    def _gradients(self, losses: Callable[[int], Losses], part: int) -> Gradients:
        loss, told = losses(part)
        return torch.autograd.grad(loss, self.parameters), {name: value.detach() for name, value in told.items()}

    def _computed(self, compute: Callable[[int], Gradients]) -> list[Gradients]:
        """Return the gradients of all parts; this thread takes those that no other has begun."""
        if self._pool is None:
            return [compute(part) for part in range(self.parts)]
        futures: list[Future[Gradients]] = [self._pool.submit(compute, part) for part in range(1, self.parts)]
        first = compute(0)
        own = [compute(part) if futures[part - 1].cancel() else None for part in range(1, self.parts)]
        return [first, *(future.result() if mine is None else mine for future, mine in zip(futures, own, strict=True))]


def in_parts(batch: Sequence[Tensor], parts: int) -> list[tuple[Tensor, ...]]:
    """Cut tensors `(B, …)` into equal parts; return the tensors of each part."""
    return list(zip(*(tensor.chunk(parts) for tensor in batch), strict=True))
