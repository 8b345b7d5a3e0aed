"""The optimisers and learning-rate schedules of recipes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import nn

Kind = TypeVar("Kind", bound=type[torch.optim.Optimizer])


def without_compiler(kind: Kind) -> Kind:
    """Return an optimiser that does not import torch's compiler, which takes a second; its steps are the same.

    The decorators of `torch.optim` tell the compiler to keep out of these methods, and import it (`torch._dynamo`, 800
    modules) for that alone. A decorator that a version of torch does not have is nothing to take off.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {"__doc__": kind.__doc__, **methods})  # type: ignore[return-value]


Adam = without_compiler(torch.optim.Adam)
RAdam = without_compiler(torch.optim.RAdam)


def make_optimizer(name: str, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """Make Adam (fused: one kernel for all parameters) or RAdam, the authors' choice."""
    if name == "radam":
        return RAdam(parameters, lr=learning_rate)
    return Adam(parameters, lr=learning_rate, fused=True)


def scheduled_rate(schedule: str, learning_rate: float, iteration: int, iterations: int) -> float:
    """Return the learning rate of an iteration: constant, or a cosine from the full rate to 1 % of it."""
    if schedule == "constant":
        return learning_rate
    progress = min(iteration / iterations, 1.0)
    return learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Use this rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
