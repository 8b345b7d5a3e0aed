"""A conditional RealNVP flow as a skill prior (Dinh et al. 2017), the most flexible of the families.

Affine couplings turn noise u ~ N(0, I) into a skill z: each coupling keeps every other number of its input, and scales
and shifts the remaining ones by functions of the kept numbers and of the state's features. So the density is known
exactly: log p(z | s) = log N(u; 0, I) + Σ log |du/dz|.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from spirl_cli.recipe.sections.prior import FlowSection
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.networks import LEAK, Normalizer, initialize_linear
from spirl_cli.skills.prior import PriorShape, PriorWithGaussian, prior_mlp
from spirl_cli.skills.vision import Perception

MAX_LOG_SCALE = 2.0  # of one coupling; the limit keeps densities and samples finite


class Coupling(nn.Module):
    """One affine coupling; it does not change the numbers for which `kept` `(K,)` is 1."""

    kept: Tensor

    def __init__(self, kept: Tensor, features: int, section: FlowSection) -> None:
        super().__init__()
        self.register_buffer("kept", kept, persistent=False)
        size = len(kept)
        self.scale = tanh_mlp(size + features, size, section.width, section.depth)
        self.shift = tanh_mlp(size + features, size, section.width, section.depth)

    def affine(self, value: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return log scale and shift `(..., K)` from the kept numbers of a value `(..., K)` and features `(..., F)`."""
        inputs = torch.cat([value * self.kept, features], dim=-1)
        changed = 1.0 - self.kept
        log_scale = MAX_LOG_SCALE * torch.tanh(self.scale(inputs) / MAX_LOG_SCALE)
        return log_scale * changed, self.shift(inputs) * changed


class Flow(NamedTuple):
    """A batch of flows with the same couplings and one feature vector `(F,)` each: `features` `(..., F)`."""

    couplings: Sequence[Coupling]
    features: Tensor

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of `(..., K)` values → `(...,)`, in nats."""
        noise, log_det = self.to_noise(value)
        return Gaussian(torch.zeros_like(noise), torch.zeros_like(noise)).log_prob(noise) + log_det

    def to_noise(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Map z `(..., K)` to u `(..., K)` and log |du/dz| `(...,)`."""
        features = self.features.expand(*value.shape[:-1], -1)
        log_det = value.new_zeros(value.shape[:-1])
        for coupling in self.couplings:
            log_scale, shift = coupling.affine(value, features)
            value = value * log_scale.exp() + shift
            log_det = log_det + log_scale.sum(-1)
        return value, log_det

    def from_noise(self, noise: Tensor) -> Tensor:
        """Map u `(..., K)` to z `(..., K)`, the inverse of `to_noise`."""
        features = self.features.expand(*noise.shape[:-1], -1)
        for coupling in reversed(self.couplings):
            log_scale, shift = coupling.affine(noise, features)
            noise = (noise - shift) * (-log_scale).exp()
        return noise

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw a sample `(..., K)`; its noise is drawn on the CPU."""
        latent_dim = len(self.couplings[0].kept)
        noise = torch.randn((*self.features.shape[:-1], latent_dim), generator=generator)
        return self.from_noise(noise.to(self.features.device))

    def broadened(self, min_log_sigma: float) -> Flow:
        """Return the flow itself, which has no Gaussian that could be too narrow."""
        return self


class FlowNetwork(PriorWithGaussian):
    """Observation `(B, D+P)` → flow over `(B, K)`.

    Args:
        normalizer: standardises the raw state `(D,)`.
        shape: sizes of the features' MLP and of the Gaussian's MLP.
        perception: selects the inputs from an observation.
        section: sizes of the couplings.
    """

    def __init__(self, normalizer: Normalizer, shape: PriorShape, perception: Perception, section: FlowSection) -> None:
        super().__init__(normalizer, shape, perception)
        self.network = prior_mlp(perception.size, shape.width, shape)
        numbers = torch.arange(shape.latent_dim)
        self.couplings = nn.ModuleList(
            Coupling(((numbers + block) % 2).float(), shape.width, section) for block in range(section.blocks)
        )

    def head(self, encoded: Tensor) -> Flow:
        """Map observations `(..., D+F)` with features in place of the pixels to a flow over `(..., K)`."""
        features = self.network(self.perception.select(encoded, self.normalizer))
        couplings = tuple(cast(Iterable[Coupling], self.couplings))
        return Flow(couplings, nn.functional.leaky_relu(features, LEAK))


def tanh_mlp(inputs: int, outputs: int, width: int, depth: int) -> nn.Sequential:
    """Make depth × [linear → tanh] → linear; the last layer starts at zero, so that a flow starts as N(0, I)."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.Tanh()]
        inputs = width
    last = nn.Linear(inputs, outputs)
    network = nn.Sequential(*layers, last)
    network.apply(initialize_linear)
    nn.init.zeros_(last.weight)
    return network
