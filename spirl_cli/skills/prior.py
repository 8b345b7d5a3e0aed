"""The skill prior p(z | s₁) (paper §3.2): a density over skills. An MLP on the observation gives its parameters.

With primitive actions (horizon 1, z = a) the same network trained by the same loss is behaviour
cloning, and as a regulariser the *flat prior* of the paper.

This module holds the parts that all families share, the Gaussian, and N(0, I). The other families have modules of
their own; `families.py` chooses one by its name in the recipe.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.networks import Normalizer, mlp
from spirl_cli.skills.vision import Perception


class Density(Protocol):
    """A batch (...) of densities over skills (K,)."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of (..., K) values → (...,), in nats; more leading axes than the batch has are fine."""

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One sample each, (..., K)."""

    def broadened(self, min_log_sigma: float) -> Density:
        """Return the density with no Gaussian in it narrower than this; a flow, which has none, as it is."""


@dataclass(frozen=True)
class PriorShape:
    """Sizes that the networks of all families have.

    Attributes:
        latent_dim: K.
        width, depth, batch_norm: of the MLPs.
        min_log_sigma: lower clamp of log σ of every Gaussian.
    """

    latent_dim: int
    width: int
    depth: int
    batch_norm: bool = False
    min_log_sigma: float = -10.0


class PriorNetwork(nn.Module):
    """Observation (B, D+P) → density over (B, K).

    Args:
        normalizer: standardises the raw state (D,).
        perception: what is seen of an observation; None: the whole state, and no image.
    """

    def __init__(self, normalizer: Normalizer, perception: Perception | None = None) -> None:
        super().__init__()
        self.normalizer = normalizer
        self.perception = perception or Perception(normalizer.size)

    def forward(self, observations: Tensor) -> Density:
        """(..., D+P) raw observations → density over (..., K)."""
        return self.head(self.perception.encode(observations))

    def head(self, encoded: Tensor) -> Density:
        """(..., D+F) observations with features in place of the pixels → density over (..., K)."""
        raise NotImplementedError

    def loss(self, observations: Tensor, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
        """L_prior on observations (B, D+P), posteriors q and their samples (B, K); see :func:`prior_loss`."""
        raise NotImplementedError

    def as_gaussian(self) -> GaussianNetwork:
        """Return a Gaussian network of its own, as the policy that starts from this prior (paper §3.3)."""
        raise NotImplementedError


class GaussianNetwork(PriorNetwork):
    """Observation (B, D+P) → Gaussian over (B, K): the prior, and every policy.

    Args:
        normalizer: standardises the raw state (D,).
        shape: of the MLP.
        perception: what is seen of an observation; None: the whole state, and no image.
    """

    def __init__(self, normalizer: Normalizer, shape: PriorShape, perception: Perception | None = None) -> None:
        super().__init__(normalizer, perception)
        self.min_log_sigma = shape.min_log_sigma
        self.network = prior_mlp(self.perception.size, 2 * shape.latent_dim, shape)

    def head(self, encoded: Tensor) -> Gaussian:
        """(..., D+F) observations with features in place of the pixels → Gaussian of (..., K)."""
        inputs = self.perception.select(encoded, self.normalizer)
        return Gaussian.from_head(self.network(inputs), self.min_log_sigma)

    def loss(self, observations: Tensor, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
        """L_prior."""
        return prior_loss(self(observations), posterior, latent, objective)

    def as_gaussian(self) -> GaussianNetwork:
        """Return a copy."""
        return copy.deepcopy(self)

    @classmethod
    def around(
        cls, network: nn.Sequential, normalizer: Normalizer, perception: Perception, min_log_sigma: float
    ) -> GaussianNetwork:
        """Copy an MLP that ends in mean and log σ (2·K outputs), and what feeds it, into a Gaussian network."""
        gaussian = cls(normalizer, PriorShape(1, 1, 0, min_log_sigma=min_log_sigma), perception)
        gaussian.network = network
        return copy.deepcopy(gaussian)


class PriorWithGaussian(PriorNetwork):
    """A prior of another family, and a Gaussian that is trained beside it on the same batches.

    The Gaussian gives the demonstrated skills the highest likelihood that a Gaussian can, so it has the mean
    and the variance that the prior itself should have. A policy starts from it.

    Args:
        normalizer: standardises the raw state (D,).
        shape: of the Gaussian's MLP.
        perception: what is seen of an observation.
    """

    def __init__(self, normalizer: Normalizer, shape: PriorShape, perception: Perception) -> None:
        super().__init__(normalizer, perception)
        self.min_log_sigma = shape.min_log_sigma
        self.start = prior_mlp(perception.size, 2 * shape.latent_dim, shape)

    def loss(self, observations: Tensor, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
        """−log p(sg(z) | s₁) of the prior plus that of the Gaussian; the two share image features only."""
        encoded = self.perception.encode(observations)
        inputs = self.perception.select(encoded, self.normalizer)
        start = Gaussian.from_head(self.start(inputs), self.min_log_sigma)
        return -self.head(encoded).log_prob(latent.detach()).mean() + prior_loss(start, posterior, latent, objective)

    def as_gaussian(self) -> GaussianNetwork:
        """Return the Gaussian that was trained together with the prior."""
        return GaussianNetwork.around(self.start, self.normalizer, self.perception, self.min_log_sigma)


def prior_mlp(inputs: int, outputs: int, shape: PriorShape) -> nn.Sequential:
    """Make an MLP of this shape."""
    return mlp(inputs, outputs, shape.width, shape.depth, shape.batch_norm)


class StandardNormal(PriorNetwork):
    """p(z | s) = N(0, I), which has no weights: stands in where nothing was learned.

    Args:
        normalizer: standardises the raw state (D,).
        latent_dim: K.
    """

    def __init__(self, normalizer: Normalizer, latent_dim: int) -> None:
        super().__init__(normalizer)
        self.latent_dim = latent_dim

    def head(self, encoded: Tensor) -> Gaussian:
        """(..., D) states, not looked at → N(0, I) of (..., K)."""
        zeros = encoded.new_zeros(*encoded.shape[:-1], self.latent_dim)
        return Gaussian(zeros, zeros)


def prior_loss(prior: Gaussian, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
    """L_prior, mean over B: −log p(sg(z) | s₁), or KL(sg(q) ‖ p), summed over K."""
    if objective == "kl":
        return posterior.detach().kl(prior).sum(-1).mean()
    return -prior.log_prob(latent.detach()).mean()
