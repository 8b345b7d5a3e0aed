"""An ensemble of action-value networks, evaluated as one batched network."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from spirl_cli.recipe.sections.rl import FourierSection, ObjectsSection
from spirl_cli.rl.critic_inputs import FourierFeatures, ObjectFeatures
from spirl_cli.rl.ensemble_layers import EnsembleLayerNorm, EnsembleLinear, EnsembleOutput
from spirl_cli.skills.networks import LEAK, Normalizer


class CriticEnsemble(nn.Module):
    """Q_1..Q_E(s, z) on standardised states and skills, without images.

    Args:
        normalizer: standardises raw states `(D,)`.
        latent_dim: K.
        members: E; the minimum over members is the pessimistic estimate of SAC.
        width, depth: hidden layers; layer_norm normalises each of them.
        fourier, objects: additional inputs computed from the state, or None.
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
        layers.append(EnsembleOutput(members, sizes[-1], 1))
        self.network = nn.Sequential(*layers)

    def forward(self, states: Tensor, latents: Tensor) -> Tensor:
        """Map the raw states in observations `(B, D+P)`, and skills `(..., B, K)`, to values `(E, ..., B)`."""
        states = states[:, : self.normalizer.size]
        waves = () if self.fourier is None else (self.fourier(states),)
        seen = torch.cat([self.normalizer(states), *waves], dim=-1)
        seen = seen.expand(self.members, *seen.shape)  # (E, B, n)
        objects = () if self.objects is None else (self.objects(states),)  # (E, B, m)
        first, *rest = self.network
        assert isinstance(first, EnsembleLinear)
        skills = latents.reshape(-1, *latents.shape[-2:])  # (S, B, K)
        if len(skills) == 1:
            acted = skills.expand(self.members, *skills.shape[1:])
            hidden = first(torch.cat([seen, acted, *objects], dim=-1))
        else:
            hidden = self._several(first, seen, skills, objects)
        for layer in rest:
            hidden = layer(hidden)
        values: Tensor = hidden.reshape(self.members, *latents.shape[:-1])
        return values

    def _several(self, first: EnsembleLinear, seen: Tensor, skills: Tensor, objects: tuple[Tensor, ...]) -> Tensor:
        """Apply the first layer to several skills `(S, B, K)` per state; the state's part is computed once.

        Args:
            first: the layer.
            seen, objects: inputs from the states `(E, B, n)`, and from their objects `(E, B, m)` or None.

        Returns:
            Outputs of the layer `(E, S·B, width)`.
        """
        sizes = [seen.shape[-1], skills.shape[-1], *(part.shape[-1] for part in objects)]
        for_seen, for_skills, *for_objects = first.weight.split(sizes, dim=1)
        state = torch.baddbmm(first.bias, seen, for_seen)
        for part, weight in zip(objects, for_objects, strict=True):
            state = torch.baddbmm(state, part, weight)
        hidden = skills.flatten(0, 1).expand(self.members, -1, -1) @ for_skills
        hidden = hidden.unflatten(1, skills.shape[:2]) + state[:, None]
        return hidden.flatten(1, 2)
