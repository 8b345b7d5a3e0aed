"""An ensemble of Gaussian priors; its disagreement measures how far a state is from the demonstrations.

Members differ in their initial weights only. They agree on states like those of the training data, and
disagree elsewhere (Lakshminarayanan et al. 2017). As a density the ensemble is the mixture of its members
with equal weights.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.mixture import Mixture
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, PriorNetwork, PriorShape, prior_loss, prior_mlp
from spirl_cli.skills.vision import Perception


class Ensemble(NamedTuple):
    """A batch of ensembles: `members` of shape `(..., M, K)`."""

    members: Gaussian

    @property
    def mixture(self) -> Mixture:
        """Return the mixture of the members with equal weights."""
        shape = self.members.mean.shape[:-1]
        return Mixture(self.members.mean.new_full(shape, -math.log(shape[-1])), self.members)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of `(..., K)` values under the mixture of the members → `(...,)`, in nats."""
        return self.mixture.log_prob(value)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Sample from a member that is drawn at random, `(..., K)`, without gradient."""
        return self.mixture.sample(generator)

    def broadened(self, min_log_sigma: float) -> Ensemble:
        """Return the ensemble with the log σ of every member at least this."""
        return Ensemble(self.members.broadened(min_log_sigma))

    def divergence(self) -> Tensor:
        """Return the mean KL(p_i ‖ p_j) over ordered pairs of different members, `(...,)`, in nats; 0 if all agree."""
        count = self.members.mean.shape[-2]
        left = Gaussian(*(part.unsqueeze(-2) for part in self.members))  # (..., M, 1, K)
        right = Gaussian(*(part.unsqueeze(-3) for part in self.members))  # (..., 1, M, K)
        return left.kl(right).sum((-1, -2, -3)) / (count * (count - 1))


class EnsembleNetwork(PriorNetwork):
    """Observation `(B, D+P)` → ensemble of Gaussians over `(B, K)`.

    The members share the image features, if there are any.

    Args:
        normalizer: standardises the raw state `(D,)`.
        shape: sizes of each member's MLP.
        perception: selects the inputs from an observation.
        members: M.
    """

    def __init__(self, normalizer: Normalizer, shape: PriorShape, perception: Perception, members: int) -> None:
        super().__init__(normalizer, perception)
        self.min_log_sigma = shape.min_log_sigma
        self.members = nn.ModuleList(prior_mlp(perception.size, 2 * shape.latent_dim, shape) for _ in range(members))

    def head(self, encoded: Tensor) -> Ensemble:
        """Map observations `(..., D+F)` with features in place of the pixels to an ensemble over `(..., K)`."""
        inputs = self.perception.select(encoded, self.normalizer)
        heads = torch.stack([member(inputs) for member in self.members], dim=-2)  # (..., M, 2K)
        return Ensemble(Gaussian.from_head(heads, self.min_log_sigma))

    def loss(self, observations: Tensor, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
        """Return the mean of L_prior over the members, each of which learns as if it were alone."""
        ensemble = self.head(self.perception.encode(observations))
        posterior = Gaussian(*(part.unsqueeze(-2) for part in posterior))
        return prior_loss(ensemble.members, posterior, latent.unsqueeze(-2), objective)

    def as_gaussian(self) -> GaussianNetwork:
        """Return the first member, which equals the prior that is trained alone."""
        first = self.members[0]
        assert isinstance(first, nn.Sequential)
        return GaussianNetwork.around(first, self.normalizer, self.perception, self.min_log_sigma)
