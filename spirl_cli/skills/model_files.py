"""Files of trained torch models, for further training or to initialise a policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spirl_cli.monitor.checkpoint import State, merge, read_state, write_state
from spirl_cli.monitor.packing import pack_module, unpack_module
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.families import make_prior
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.networks import ActionScale, Normalizer
from spirl_cli.skills.prior import PriorNetwork
from spirl_cli.skills.vision import ImageShape, Perception


def save_skills(path: Path, model: SkillModel, action_dim: int) -> None:
    """Write a skill model with everything needed to build it again."""
    sizes = {**_seen(model.perception), "action_dim": action_dim}
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
    scale = ActionScale(torch.zeros(action_dim), torch.ones(action_dim)) if section.units == "scaled" else None
    model = SkillModel(section, state_dim, action_dim, None, _image_shape(state.scalars), scale)
    unpack_module(model, "model", state)
    return model.eval()


def save_prior(path: Path, prior: PriorNetwork, section: TrainPriorSection, latent_dim: int) -> None:
    """Write a prior with everything needed to build it again."""
    sizes = {**_seen(prior.perception), "latent_dim": latent_dim}
    scalars = {"section": section.model_dump(mode="json"), **sizes}
    write_state(path, merge(State(scalars=scalars), pack_module(prior, "model")))


def load_prior(path: Path) -> tuple[PriorNetwork, int]:
    """Read a prior, in evaluation mode, and the size K of its skills.

    Raises:
        ArtifactError: the file is damaged or of another kind.
    """
    state = read_state(path)
    section = TrainPriorSection.model_validate(state.scalars["section"])
    state_dim, latent_dim = state.scalars["state_dim"], state.scalars["latent_dim"]
    prior = make_prior(section, Normalizer.identity(state_dim), latent_dim, _image_shape(state.scalars))
    unpack_module(prior, "model", state)
    return prior.eval(), latent_dim


def _seen(perception: Perception) -> dict[str, Any]:
    shape = perception.image_shape
    return {"state_dim": perception.state_dim, "image_shape": None if shape is None else list(shape)}


def _image_shape(scalars: Mapping[str, Any]) -> ImageShape | None:
    """Return the shape of the image, or None; files of models without images lack the entry."""
    shape = scalars.get("image_shape")
    return None if shape is None else (shape[0], shape[1], shape[2])
