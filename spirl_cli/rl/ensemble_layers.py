"""Layers of several networks of the same shape, evaluated at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class EnsembleLinear(nn.Module):
    """E linear layers at once: (E, B, inputs) → (E, B, outputs)."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = math.sqrt(2.0 / (inputs + outputs))  # Xavier-normal, as everywhere
        self.weight = nn.Parameter(torch.randn(members, inputs, outputs) * bound)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """One batched matrix product for all members."""
        return torch.baddbmm(self.bias, inputs, self.weight)


class EnsembleLayerNorm(nn.Module):
    """Layer normalisation with a gain and offset per member."""

    def __init__(self, members: int, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(members, 1, width))
        self.offset = nn.Parameter(torch.zeros(members, 1, width))

    def forward(self, inputs: Tensor) -> Tensor:
        """(E, B, width) → (E, B, width)."""
        normalized = nn.functional.layer_norm(inputs, inputs.shape[-1:])
        return torch.addcmul(self.offset, normalized, self.gain)
