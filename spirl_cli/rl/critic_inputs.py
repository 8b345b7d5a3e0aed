"""Inputs of critics besides the standardised state: features that make values easier to learn."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spirl_cli.errors import UsageError
from spirl_cli.recipe.sections.rl import FourierSection, ObjectsSection
from spirl_cli.rl.ensemble_layers import EnsembleLinear
from spirl_cli.settings import expand_indices
from spirl_cli.skills.networks import LEAK, Normalizer


class FourierFeatures(nn.Module):
    """Random Fourier features (Rahimi & Recht 2007): sines and cosines of waves along some numbers of the state.

    An MLP alone learns functions with jumps slowly, such as values on the two sides of a wall.

    Wave vectors are Gaussian with standard deviation 2π / wavelength.

    Args:
        section: indices of the state, the wavelength, and the number of waves F.
        state_dim: D.

    Raises:
        UsageError: an index is out of range.
    """

    indices: Tensor
    waves: Tensor

    def __init__(self, section: FourierSection, state_dim: int) -> None:
        super().__init__()
        indices = expand_indices(section.indices, state_dim)
        self.register_buffer("indices", torch.tensor(indices, dtype=torch.long), persistent=False)
        waves = torch.randn(len(indices), section.features)
        self.register_buffer("waves", waves * (2.0 * math.pi / section.wavelength))

    @property
    def size(self) -> int:
        """Number of features, 2·F."""
        return 2 * self.waves.shape[1]

    def forward(self, states: Tensor) -> Tensor:
        """Map raw states `(B, D)` to features `(B, 2·F)`."""
        phases = states[:, self.indices] @ self.waves
        return torch.cat([phases.sin(), phases.cos()], dim=-1)


class ObjectFeatures(nn.Module):
    """Features of the set of objects that the end of the state lists (Deep Sets, Zaheer et al. 2017).

    One small network sees each object together with its offset from the agent at several scales: tanh(offset / length)
    for each length. Maximum and mean of the outputs describe the set, so that the order of the objects does not matter.

    Args:
        section: position of the objects in the state, and the width W.
        members: E, number of critics, each with its own network.
        normalizer: standardises states `(D,)`.

    Raises:
        UsageError: the state does not end with a whole number of objects, or an index is out of range.
    """

    origin: Tensor
    lengths: Tensor

    def __init__(self, section: ObjectsSection, members: int, normalizer: Normalizer) -> None:
        super().__init__()
        self.section, self.members, self.normalizer = section, members, normalizer
        origin = expand_indices(section.origin, normalizer.size)
        if normalizer.size <= section.first or (normalizer.size - section.first) % section.size:
            raise UsageError(
                f"train_rl.critic_objects: a state of {normalizer.size} numbers does not end with objects of "
                f"{section.size}, from number {section.first} on"
            )
        if len(origin) > section.size:
            raise UsageError("train_rl.critic_objects.origin has more numbers than an object")
        self.register_buffer("origin", torch.tensor(origin, dtype=torch.long), persistent=False)
        self.register_buffer("lengths", torch.tensor(section.lengths), persistent=False)
        inputs = section.size + len(origin) * len(section.lengths)
        self.network = nn.Sequential(
            EnsembleLinear(members, inputs, section.width),
            nn.LeakyReLU(LEAK),
            EnsembleLinear(members, section.width, section.width),
            nn.LeakyReLU(LEAK),
        )

    @property
    def size(self) -> int:
        """Number of features, 2·W."""
        return 2 * self.section.width

    def forward(self, states: Tensor) -> Tensor:
        """Map raw states `(B, D)` to features `(E, B, 2·W)`."""
        objects = self._objects(states)
        distance = objects[..., : len(self.origin)] - states[:, None, self.origin]
        near = (distance.unsqueeze(-1) / self.lengths).tanh().flatten(2)
        seen = torch.cat([self._objects(self.normalizer(states)), near], dim=-1)  # (B, n, inputs)
        batch, count, _ = seen.shape
        each = self.network(seen.flatten(0, 1).expand(self.members, -1, -1))  # (E, B·n, W)
        each = each.unflatten(1, (batch, count))
        return torch.cat([each.amax(2), each.mean(2)], dim=-1)

    def _objects(self, states: Tensor) -> Tensor:
        """Split states `(B, D)` into objects `(B, n, size)`."""
        return states[:, self.section.first :].unflatten(1, (-1, self.section.size))
