"""The initial policy."""

from __future__ import annotations

from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.skills.mixture import MixtureNetwork
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, PriorNetwork, PriorShape


def initial_policy(
    section: TrainRLSection, prior: PriorNetwork, latent_dim: int, scales: Normalizer
) -> GaussianNetwork | MixtureNetwork:
    """Return a copy of the prior or of its Gaussian approximation (paper §3.3), or a new network.

    A policy that starts from a mixture is a mixture. A new network sees the whole state, standardised by `scales`,
    and no image.
    """
    policy: GaussianNetwork | MixtureNetwork
    if section.initial_policy == "prior":
        if section.policy_family == "mixture":
            assert isinstance(prior, MixtureNetwork), "checked with the recipe"
            policy = prior.as_mixture()
        else:
            policy = prior.as_gaussian()
        policy.min_log_sigma = max(section.min_log_sigma, policy.min_log_sigma)
    else:
        width, depth = section.policy_width, section.policy_depth
        policy = GaussianNetwork(scales, PriorShape(latent_dim, width, depth, min_log_sigma=section.min_log_sigma))
    # BatchNorm stays in evaluation mode throughout RL, as in the authors' code.
    policy.eval().requires_grad_(True)
    policy.perception.requires_grad_(not section.frozen_image_encoder)
    return policy
