"""Chooses the family of a prior by its name in a recipe."""

from __future__ import annotations

from spirl_cli.recipe.sections.prior import EnsembleSection, FlowSection, MixtureSection, TrainPriorSection
from spirl_cli.skills.ensemble import EnsembleNetwork
from spirl_cli.skills.flow import FlowNetwork
from spirl_cli.skills.mixture import MixtureNetwork
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, PriorNetwork, PriorShape
from spirl_cli.skills.vision import ImageShape, Perception


def make_prior(
    section: TrainPriorSection, normalizer: Normalizer, latent_dim: int, image_shape: ImageShape | None = None
) -> PriorNetwork:
    """Make the prior network that a recipe's `train_prior` describes.

    Raises:
        UsageError: the prior should see an image, but observations have none.
    """
    perception = Perception(normalizer.size, section.state_indices, section.image, image_shape)
    shape = PriorShape(latent_dim, section.width, section.depth, section.batch_norm, section.min_log_sigma)
    if section.family == "mixture":
        sizes = section.mixture or MixtureSection()
        return MixtureNetwork(normalizer, shape, perception, sizes.components)
    if section.family == "flow":
        return FlowNetwork(normalizer, shape, perception, section.flow or FlowSection())
    if section.family == "ensemble":
        members = (section.ensemble or EnsembleSection()).members
        return EnsembleNetwork(normalizer, shape, perception, members)
    return GaussianNetwork(normalizer, shape, perception)
