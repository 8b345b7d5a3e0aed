"""An ensemble of action-value networks, evaluated as one batched network."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from spirl_cli.recipe.schema import FourierSection, ObjectsSection
from spirl_cli.rl.critic_inputs import FourierFeatures, ObjectFeatures
from spirl_cli.rl.layers import EnsembleLayerNorm, EnsembleLinear
from spirl_cli.skills.networks import LEAK, Normalizer


class CriticEnsemble(nn.Module):
    """Q_1..Q_E(s, z) on standardised states and skills; images are not looked at.

    Args:
        normalizer: standardises raw states (D,).
        latent_dim: K.
        members: E; the minimum over members is the pessimistic estimate of SAC.
        width, depth: hidden layers; layer_norm normalises each of them.
        fourier, objects: further inputs made from the state.
    """

    def __init__(
        self,
        normalizer: Normalizer,
        latent_dim: int,
        members: int,
        width: int,
        depth: int,
        layer_norm: bool,
        fourier: FourierSection | None = None,
        objects: ObjectsSection | None = None,
    ) -> None:
        super().__init__()
        self.members, self.normalizer = members, normalizer
        self.fourier = None if fourier is None else FourierFeatures(fourier, normalizer.size)
        self.objects = None if objects is None else ObjectFeatures(objects, members, normalizer)
        more = sum(features.size for features in (self.fourier, self.objects) if features is not None)
        sizes = [normalizer.size + more + latent_dim] + [width] * depth
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers.append(EnsembleLinear(members, inputs, outputs))
            if layer_norm:
                layers.append(EnsembleLayerNorm(members, outputs))
            layers.append(nn.LeakyReLU(LEAK))
        layers.append(EnsembleLinear(members, sizes[-1], 1))
        self.network = nn.Sequential(*layers)

    def forward(self, states: Tensor, latents: Tensor) -> Tensor:
        """(B, D+P) observations, of which the raw states (B, D) are seen, (..., B, K) skills → (E, ..., B) values."""
        states = states[:, : self.normalizer.size]
        waves = () if self.fourier is None else (self.fourier(states),)
        seen = torch.cat([self.normalizer(states), *waves], dim=-1)
        inputs = torch.cat([seen.expand(*latents.shape[:-1], -1), latents], dim=-1)  # (..., B, n)
        inputs = inputs.expand(self.members, *inputs.shape)
        if self.objects is not None:
            objects = self.objects(states)  # (E, B, m)
            between = [1] * (inputs.ndim - objects.ndim)
            objects = objects.reshape(self.members, *between, *objects.shape[1:])
            inputs = torch.cat([inputs, objects.expand(*inputs.shape[:-1], -1)], dim=-1)
        values: Tensor = self.network(inputs.flatten(1, -2))
        return values.reshape(inputs.shape[:-1])
