"""Trained torch models on disk, to go on training from or to initialise a policy with."""

from __future__ import annotations

from pathlib import Path

from spirl_cli.monitor.checkpoint import State, merge, read_state, write_state
from spirl_cli.monitor.packing import pack_module, unpack_module
from spirl_cli.recipe.schema import TrainPriorSection, TrainSkillsSection
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, make_prior


def save_skills(path: Path, model: SkillModel, action_dim: int) -> None:
    """Write a skill model with what is needed to build it again."""
    sizes = {"state_dim": model.normalizer.size, "action_dim": action_dim}
    scalars = {"section": model.section.model_dump(mode="json"), **sizes}
    write_state(path, merge(State(scalars=scalars), pack_module(model, "model")))


def load_skills(path: Path) -> SkillModel:
    """Read a skill model, in evaluation mode.

    Raises:
        ArtifactError: the file is damaged or of another kind.
    """
    state = read_state(path)
    section = TrainSkillsSection.model_validate(state.scalars["section"])
    state_dim, action_dim = state.scalars["state_dim"], state.scalars["action_dim"]
    model = SkillModel(section, state_dim, action_dim)
    unpack_module(model, "model", state)
    return model.eval()


def save_prior(path: Path, prior: GaussianNetwork, section: TrainPriorSection, latent_dim: int) -> None:
    """Write a prior with what is needed to build it again."""
    sizes = {"state_dim": prior.normalizer.size, "latent_dim": latent_dim}
    scalars = {"section": section.model_dump(mode="json"), **sizes}
    write_state(path, merge(State(scalars=scalars), pack_module(prior, "model")))


def load_prior(path: Path) -> tuple[GaussianNetwork, int]:
    """Read a prior, in evaluation mode, and the size K of its skills.

    Raises:
        ArtifactError: the file is damaged or of another kind.
    """
    state = read_state(path)
    section = TrainPriorSection.model_validate(state.scalars["section"])
    state_dim, latent_dim = state.scalars["state_dim"], state.scalars["latent_dim"]
    prior = make_prior(section, Normalizer.identity(state_dim), latent_dim)
    unpack_module(prior, "model", state)
    return prior.eval(), latent_dim
