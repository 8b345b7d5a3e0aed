"""The skill prior p(z | s₁) (paper §3.2): a density over skills, with parameters from an MLP on the observation.

With primitive actions (horizon 1, z = a), the same network and loss are behaviour cloning. As a regulariser it is the
paper's *flat prior*.

This module holds the parts that all families share, the Gaussian, and N(0, I). Each other family has its own module;
`families.py` chooses one by its name in the recipe.
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
    """A batch (...) of densities over skills `(K,)`."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density `(...,)` of values `(..., K)`, in nats; values may have additional leading axes."""

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Return one sample of each density, `(..., K)`."""

    def broadened(self, min_log_sigma: float) -> Density:
        """Return the density with the log σ of every Gaussian at least this; a flow stays unchanged."""


@dataclass(frozen=True)
class PriorShape:
    """Sizes that the networks of all families have.

    Attributes:
        latent_dim: K.
        width, depth, batch_norm: sizes of the MLPs.
        min_log_sigma: lower clamp of log σ of every Gaussian.
    """

    latent_dim: int
    width: int
    depth: int
    batch_norm: bool = False
    min_log_sigma: float = -10.0


class PriorNetwork(nn.Module):
    """Observation `(B, D+P)` → density over `(B, K)`.

    Args:
        normalizer: standardises the raw state `(D,)`.
        perception: selects the inputs from an observation; None for the whole state without image.
    """

    def __init__(self, normalizer: Normalizer, perception: Perception | None = None) -> None:
        super().__init__()
        self.normalizer = normalizer
        self.perception = perception or Perception(normalizer.size)

    def forward(self, observations: Tensor) -> Density:
        """Map raw observations `(..., D+P)` to a density over `(..., K)`."""
        return self.head(self.perception.encode(observations))

    def head(self, encoded: Tensor) -> Density:
        """Map observations `(..., D+F)` with features in place of the pixels to a density over `(..., K)`."""
        raise NotImplementedError

    def loss(self, observations: Tensor, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
        """Return L_prior on observations `(B, D+P)`, posteriors q and their samples `(B, K)`, see `prior_loss`."""
        raise NotImplementedError

    def as_gaussian(self) -> GaussianNetwork:
        """Return a separate Gaussian network: the policy that starts from this prior (paper §3.3)."""
        raise NotImplementedError


class GaussianNetwork(PriorNetwork):
    """Observation `(B, D+P)` → Gaussian over `(B, K)`: the prior, and every policy.

    Args:
        normalizer: standardises the raw state `(D,)`.
        shape: sizes of the MLP.
        perception: selects the inputs from an observation; None for the whole state without image.
    """

    def __init__(self, normalizer: Normalizer, shape: PriorShape, perception: Perception | None = None) -> None:
        super().__init__(normalizer, perception)
        self.min_log_sigma = shape.min_log_sigma
        self.network = prior_mlp(self.perception.size, 2 * shape.latent_dim, shape)

    def head(self, encoded: Tensor) -> Gaussian:
        """Map observations `(..., D+F)` with features in place of the pixels to a Gaussian over `(..., K)`."""
        inputs = self.perception.select(encoded, self.normalizer)
        return Gaussian.from_head(self.network(inputs), self.min_log_sigma)

    def loss(self, observations: Tensor, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
        """Return L_prior, see `prior_loss`."""
        return prior_loss(self(observations), posterior, latent, objective)

    def as_gaussian(self) -> GaussianNetwork:
        """Return a copy."""
        return copy.deepcopy(self)

    @classmethod
    def around(
        cls, network: nn.Sequential, normalizer: Normalizer, perception: Perception, min_log_sigma: float
    ) -> GaussianNetwork:
        """Return a Gaussian network from copies of an MLP with 2·K outputs and of the modules before it."""
        gaussian = cls(normalizer, PriorShape(1, 1, 0, min_log_sigma=min_log_sigma), perception)
        gaussian.network = network
        return copy.deepcopy(gaussian)


class PriorWithGaussian(PriorNetwork):
    """A prior of another family, with a Gaussian that is trained beside it on the same batches.

    The Gaussian maximises the likelihood of the demonstrated skills, so it approximates mean and variance of the prior.
    A policy starts from it.

    Args:
        normalizer: standardises the raw state `(D,)`.
        shape: sizes of the Gaussian's MLP.
        perception: selects the inputs from an observation.
    """

    def __init__(self, normalizer: Normalizer, shape: PriorShape, perception: Perception) -> None:
        super().__init__(normalizer, perception)
        self.min_log_sigma = shape.min_log_sigma
        self.start = prior_mlp(perception.size, 2 * shape.latent_dim, shape)

    def loss(self, observations: Tensor, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
        """Return −log p(sg(z) | s₁) of the prior plus that of the Gaussian; they share image features only."""
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
    """p(z | s) = N(0, I): the prior without weights, if none was learned.

    Args:
        normalizer: standardises the raw state `(D,)`.
        latent_dim: K.
    """

    def __init__(self, normalizer: Normalizer, latent_dim: int) -> None:
        super().__init__(normalizer)
        self.latent_dim = latent_dim

    def head(self, encoded: Tensor) -> Gaussian:
        """Return N(0, I) over `(..., K)` for states `(..., D)`, which are ignored."""
        zeros = encoded.new_zeros(*encoded.shape[:-1], self.latent_dim)
        return Gaussian(zeros, zeros)


def prior_loss(prior: Gaussian, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
    """Return L_prior, averaged over B: −log p(sg(z) | s₁), or KL(sg(q) ‖ p), summed over K."""
    if objective == "kl":
        return posterior.detach().kl(prior).sum(-1).mean()
    return -prior.log_prob(latent.detach()).mean()
