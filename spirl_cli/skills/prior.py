"""The skill prior p(z | s₁) (paper §3.2): a Gaussian whose parameters are an MLP of the state, or of the image.

With primitive actions (horizon 1, z = a) the same network trained by the same loss is behaviour
cloning, and as a regulariser the *flat prior* of the paper.
"""

from __future__ import annotations

from torch import Tensor, nn

from spirl_cli.recipe.schema import TrainPriorSection
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.networks import Normalizer, mlp
from spirl_cli.skills.vision import ImageShape, Perception


class GaussianNetwork(nn.Module):
    """Observation (B, D+P) → Gaussian over (B, K): the prior, and the policy that starts from it.

    Args:
        normalizer: standardises the raw state (D,).
        latent_dim: K.
        width, depth, batch_norm: shape of the MLP.
        min_log_sigma: lower clamp of log σ.
        perception: what is seen of an observation; None: the whole state, and no image.
    """

    def __init__(
        self,
        normalizer: Normalizer,
        latent_dim: int,
        width: int,
        depth: int,
        batch_norm: bool = False,
        min_log_sigma: float = -10.0,
        perception: Perception | None = None,
    ) -> None:
        super().__init__()
        self.normalizer = normalizer
        self.min_log_sigma = min_log_sigma
        self.perception = perception or Perception(normalizer.size)
        self.network = mlp(self.perception.size, 2 * latent_dim, width, depth, batch_norm)

    def forward(self, observations: Tensor) -> Gaussian:
        """(..., D+P) raw observations → Gaussian of (..., K)."""
        return self.head(self.perception.encode(observations))

    def head(self, encoded: Tensor) -> Gaussian:
        """(..., D+F) observations with features in place of the pixels → Gaussian of (..., K)."""
        inputs = self.perception.select(encoded, self.normalizer)
        return Gaussian.from_head(self.network(inputs), self.min_log_sigma)


def make_prior(
    section: TrainPriorSection, normalizer: Normalizer, latent_dim: int, image_shape: ImageShape | None = None
) -> GaussianNetwork:
    """The prior network that a recipe's `train_prior` describes, for observations with such an image.

    Raises:
        UsageError: the prior is to see an image and there is none.
    """
    return GaussianNetwork(
        normalizer,
        latent_dim,
        section.width,
        section.depth,
        section.batch_norm,
        section.min_log_sigma,
        Perception(normalizer.size, section.state_indices, section.image, image_shape),
    )


def prior_loss(prior: Gaussian, posterior: Gaussian, latent: Tensor, objective: str) -> Tensor:
    """L_prior, mean over B: −log p(sg(z) | s₁), or KL(sg(q) ‖ p), summed over K."""
    if objective == "kl":
        return posterior.detach().kl(prior).sum(-1).mean()
    return -prior.log_prob(latent.detach()).mean()
