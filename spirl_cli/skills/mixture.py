"""Mixtures of diagonal Gaussians as a skill prior: for states in which several different skills are likely."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import PriorShape, PriorWithGaussian, prior_mlp
from spirl_cli.skills.vision import Perception

MIN_WEIGHT = 1e-6  # of a component, so that no component is lost for good (docs/method.md#prior-families)


class Mixture(NamedTuple):
    """A batch of mixtures: `log_weights` `(..., M)`, and `components` of shape `(..., M, K)`."""

    log_weights: Tensor
    components: Gaussian

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of `(..., K)` values → `(...,)`, in nats: log Σ_m w_m·N(z; μ_m, σ_m)."""
        return torch.logsumexp(self.log_weights + self.components.log_prob(value.unsqueeze(-2)), dim=-1)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Sample from a component that is drawn by its weight, `(..., K)`, without gradient."""
        weights = self.log_weights.detach().exp().cpu()
        chosen = torch.multinomial(weights.flatten(0, -2), 1, generator=generator)  # (B, 1)
        chosen = chosen.reshape(*weights.shape[:-1], 1, 1).to(self.log_weights.device)
        index = chosen.expand(*weights.shape[:-1], 1, self.components.mean.shape[-1])
        parts = (part.detach().gather(-2, index).squeeze(-2) for part in self.components)
        return Gaussian(*parts).sample(generator)

    def strata(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the weights `(M, ...)` of the components, and a reparametrised sample `(M, ..., K)` of each.

        The weighted sum of a function over these samples estimates its mean, with gradients for all parameters.
        """
        return self.log_weights.exp().movedim(-1, 0), self.components.sample(generator).movedim(-2, 0)

    def repeated(self, count: int) -> Mixture:
        """Return `count` copies along a new first axis."""
        weights = self.log_weights.expand(count, *self.log_weights.shape)
        return Mixture(weights, self.components.repeated(count))

    def broadened(self, min_log_sigma: float) -> Mixture:
        """Return the mixture with the log σ of every component at least this."""
        return Mixture(self.log_weights, self.components.broadened(min_log_sigma))

    @classmethod
    def from_head(cls, head: Tensor, components: int, min_log_sigma: float) -> Mixture:
        """Split a network's (..., M·(1 + 2K)) output into weights and components."""
        logits, rest = head[..., :components], head[..., components:]
        weights = logits.softmax(-1).clamp(min=MIN_WEIGHT)
        log_weights = (weights / weights.sum(-1, keepdim=True)).log()
        return cls(log_weights, Gaussian.from_head(rest.unflatten(-1, (components, -1)), min_log_sigma))


class MixtureNetwork(PriorWithGaussian):
    """Observation `(B, D+P)` → mixture over `(B, K)`.

    Args:
        normalizer: standardises the raw state `(D,)`.
        shape: sizes of the MLPs.
        perception: selects the inputs from an observation.
        components: M.
    """

    def __init__(self, normalizer: Normalizer, shape: PriorShape, perception: Perception, components: int) -> None:
        super().__init__(normalizer, shape, perception)
        self.components = components
        self.network = prior_mlp(perception.size, components * (1 + 2 * shape.latent_dim), shape)

    def as_mixture(self) -> MixtureNetwork:
        """Return a copy to be used as a policy, without the Gaussian that is trained beside it."""
        own = copy.deepcopy(self)
        del own.start
        return own

    def head(self, encoded: Tensor) -> Mixture:
        """Map observations `(..., D+F)` with features in place of the pixels to a mixture over `(..., K)`."""
        inputs = self.perception.select(encoded, self.normalizer)
        return Mixture.from_head(self.network(inputs), self.components, self.min_log_sigma)
