"""The building blocks of all networks (docs/method.md#layers)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spirl_cli.skills.precision import exact_products

LEAK = 0.2  # slope of every LeakyReLU


class Normalizer(nn.Module):
    """Standardises states with the mean and standard deviation of the training episodes.

    Args:
        mean: `(D,)` mean of the states.
        std: `(D,)` standard deviation, at least `floor`, so that the sensor noise of a still object is not amplified.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, std: Tensor, floor: float = 0.02) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", 1.0 / std.float().clamp(min=floor))

    @property
    def size(self) -> int:
        """Size D of a state."""
        return self.mean.shape[0]

    def forward(self, states: Tensor) -> Tensor:
        """Standardise states `(..., D)`."""
        return (states - self.mean) * self.scale

    @classmethod
    def identity(cls, size: int) -> Normalizer:
        """Make a normaliser that changes nothing, for `normalize: false`."""
        return cls(torch.zeros(size), torch.ones(size))


class ActionScale(nn.Module):
    """Turns actions into numbers of the order of one, and back.

    Args:
        centre: `(A,)` what becomes 0.
        span: `(A,)` how far from it becomes 1.
    """

    centre: Tensor
    span: Tensor

    def __init__(self, centre: Tensor, span: Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", centre.float())
        self.register_buffer("span", span.float())

    def forward(self, actions: Tensor) -> Tensor:
        """`(..., A)` actions → `(..., A)` scaled."""
        return (actions - self.centre) / self.span


class OutputLinear(nn.Linear):
    """The last layer of a network, which multiplies in float32 whatever the others do."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Map `(..., inputs)` to float32 `(..., outputs)`."""
        with exact_products(inputs.device.type):
            return super().forward(inputs.float())


def mlp(inputs: int, outputs: int, width: int, depth: int, batch_norm: bool = False) -> nn.Sequential:
    """Make linear → LeakyReLU → depth × [linear → (BatchNorm) → LeakyReLU] → linear.

    The initial weights of linear layers are Xavier-normal and the biases zero, as in the published code.
    """
    layers: list[nn.Module] = [nn.Linear(inputs, width), nn.LeakyReLU(LEAK)]
    for _ in range(depth):
        layers.append(nn.Linear(width, width))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.LeakyReLU(LEAK))
    layers.append(OutputLinear(width, outputs))
    network = nn.Sequential(*layers)
    network.apply(initialize_linear)
    return network


def merged_layers(first: nn.Linear, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight and bias of one layer that does what `first` and a linear layer after it do."""
    with exact_products(weight.device.type):
        return weight @ first.weight, torch.addmv(bias, weight, first.bias)


def initialize_linear(module: nn.Module) -> None:
    """Set Xavier-normal weights and zero bias of a linear layer; leave other modules unchanged."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight)
        nn.init.zeros_(module.bias)
