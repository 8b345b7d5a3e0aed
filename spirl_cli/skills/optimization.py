"""The optimisers and learning-rate schedules of recipes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn


def make_optimizer(name: str, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """Make Adam (fused: one kernel for all parameters) or RAdam, the authors' choice."""
    if name == "radam":
        return torch.optim.RAdam(parameters, lr=learning_rate)
    return torch.optim.Adam(parameters, lr=learning_rate, fused=True)


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
