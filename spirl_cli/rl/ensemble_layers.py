"""Layers of several networks of the same shape, evaluated at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spirl_cli.skills.precision import exact_products


class EnsembleLinear(nn.Module):
    """E linear layers at once: `(E, B, inputs)` → `(E, B, outputs)`."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = math.sqrt(2.0 / (inputs + outputs))  # Xavier-normal, as in all networks
        self.weight = nn.Parameter(torch.randn(members, inputs, outputs) * bound)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply all members by one batched matrix product."""
        return torch.baddbmm(self.bias, inputs, self.weight)


class EnsembleOutput(EnsembleLinear):
    """The last layer of several networks, which multiplies in float32 whatever the others do."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Map `(E, B, inputs)` to float32 `(E, B, outputs)`."""
        with exact_products(inputs.device.type):
            return super().forward(inputs.float())


class EnsembleLayerNorm(nn.Module):
    """Layer normalisation with a gain and offset per member."""

    def __init__(self, members: int, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(members, 1, width))
        self.offset = nn.Parameter(torch.zeros(members, 1, width))

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise `(E, B, width)` over the last axis."""
        normalized = nn.functional.layer_norm(inputs, inputs.shape[-1:])
        return torch.addcmul(self.offset, normalized, self.gain)
