"""An ensemble of action-value networks, evaluated as one batched network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from spirl_cli.recipe.indices import expand_indices
from spirl_cli.recipe.schema import TrainRLSection
from spirl_cli.skills.networks import LEAK, Normalizer


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


class FourierFeatures(nn.Module):
    """Random Fourier features (Rahimi & Recht 2007): sines and cosines of waves across some state numbers.

    An MLP alone is slow to learn a function that jumps, such as a value on either side of a wall.

    Args:
        indices: which numbers of the state.
        wavelength: wave vectors are Gaussian with standard deviation 2π / wavelength.
        features: number of waves F.
    """

    indices: Tensor
    waves: Tensor

    def __init__(self, indices: Sequence[int], wavelength: float, features: int) -> None:
        super().__init__()
        self.register_buffer("indices", torch.tensor(indices, dtype=torch.long), persistent=False)
        self.register_buffer("waves", torch.randn(len(indices), features) * (2.0 * math.pi / wavelength))

    @property
    def size(self) -> int:
        """Number of features, 2·F."""
        return 2 * self.waves.shape[1]

    def forward(self, states: Tensor) -> Tensor:
        """(B, D) raw states → (B, 2·F)."""
        phases = states[:, self.indices] @ self.waves
        return torch.cat([phases.sin(), phases.cos()], dim=-1)


class CriticEnsemble(nn.Module):
    """Q_1..Q_E(s, z) on standardised states and skills; images are not looked at.

    Args:
        normalizer: standardises raw states (D,).
        latent_dim: K.
        members: E; the minimum over members is the pessimistic estimate of SAC.
        width, depth: hidden layers; layer_norm normalises each of them.
        fourier: further inputs made from the state.
    """

    def __init__(
        self,
        normalizer: Normalizer,
        latent_dim: int,
        members: int,
        width: int,
        depth: int,
        layer_norm: bool,
        fourier: FourierFeatures | None = None,
    ) -> None:
        super().__init__()
        self.members, self.normalizer, self.fourier = members, normalizer, fourier
        sizes = [normalizer.size + (fourier.size if fourier else 0) + latent_dim] + [width] * depth
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers.append(EnsembleLinear(members, inputs, outputs))
            if layer_norm:
                layers.append(EnsembleLayerNorm(members, outputs))
            layers.append(nn.LeakyReLU(LEAK))
        layers.append(EnsembleLinear(members, sizes[-1], 1))
        self.network = nn.Sequential(*layers)

    def forward(self, states: Tensor, latents: Tensor) -> Tensor:
        """(B, D+P) observations, of which the raw states (B, D) are seen, (B, K) skills → (E, B) values."""
        states = states[:, : self.normalizer.size]
        waves = () if self.fourier is None else (self.fourier(states),)
        inputs = torch.cat([self.normalizer(states), *waves, latents], dim=-1)
        return self.network(inputs.expand(self.members, -1, -1)).squeeze(-1)


def fourier_features(section: TrainRLSection, state_dim: int) -> FourierFeatures | None:
    """What the recipe adds to the inputs of the critics."""
    fourier = section.critic_fourier
    if fourier is None:
        return None
    return FourierFeatures(expand_indices(fourier.indices, state_dim), fourier.wavelength, fourier.features)
