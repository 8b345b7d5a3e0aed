"""The skill prior p(z | s₁) (paper §3.2): a Gaussian whose parameters are an MLP of the state.

With primitive actions (horizon 1, z = a) the same network trained by the same loss is behaviour
cloning, and as a regulariser the *flat prior* of the paper.
"""

from __future__ import annotations

from torch import Tensor, nn

from spirl_cli.recipe.schema import TrainPriorSection
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.networks import Normalizer, mlp


class GaussianNetwork(nn.Module):
    """State (B, D) → Gaussian over (B, K): the prior, and the policy that starts from it.

    Args:
        normalizer: standardises the raw state.
        latent_dim: K.
        width, depth, batch_norm: shape of the MLP.
        min_log_sigma: lower clamp of log σ.
    """

    def __init__(
        self,
        normalizer: Normalizer,
        latent_dim: int,
        width: int,
        depth: int,
        batch_norm: bool = False,
        min_log_sigma: float = -10.0,
    ) -> None:
        super().__init__()
        self.normalizer = normalizer
        self.min_log_sigma = min_log_sigma
        self.network = mlp(normalizer.size, 2 * latent_dim, width, depth, batch_norm)

    def forward(self, states: Tensor) -> Gaussian:
        """(..., D) raw states → Gaussian of (..., K)."""
        return Gaussian.from_head(self.network(self.normalizer(states)), self.min_log_sigma)


def make_prior(section: TrainPriorSection, normalizer: Normalizer, latent_dim: int) -> GaussianNetwork:
    """The prior network that a recipe's `train_prior` describes."""
    return GaussianNetwork(
        normalizer, latent_dim, section.width, section.depth, section.batch_norm, section.min_log_sigma
    )


def prior_loss(prior: Gaussian, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
    """L_prior, mean over B: −log p(sg(z) | s₁), or KL(sg(q) ‖ p), summed over K."""
    if objective == "kl":
        return posterior.detach().kl(prior).sum(-1).mean()
    return -prior.log_prob(latent.detach()).mean()
