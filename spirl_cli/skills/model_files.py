"""Files of trained torch models, for further training or to initialise a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from pydantic import ConfigDict, Strict

from spirl_cli.errors import ArtifactError
from spirl_cli.inference.network_file import Size
from spirl_cli.monitor.checkpoint import State, merge, read_state, write_state
from spirl_cli.monitor.packing import pack_module, unpack_module
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.settings import Section
from spirl_cli.skills.families import make_prior
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.networks import ActionScale, Normalizer
from spirl_cli.skills.prior import PriorNetwork
from spirl_cli.skills.vision import Perception

Model = TypeVar("Model", SkillModel, PriorNetwork)
MAX_LAYERS = 1000
LAYER_COUNTS = frozenset({"decoder_depth", "depth", "blocks", "members"})  # fields of sections


class Sizes(Section):
    """Sizes of what a model sees and gives; models that saw states only do not name an image."""

    model_config = ConfigDict(strict=True)

    state_dim: Size
    action_dim: Size = 1  # of skills
    latent_dim: Size = 1  # of a prior
    image_shape: Annotated[tuple[Size, Size, Size] | None, Strict(False)] = None


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
    with _described(path):
        section = TrainSkillsSection.model_validate(state.scalars["section"])
        sizes = Sizes.model_validate({key: value for key, value in state.scalars.items() if key != "section"})
        model = _filled(lambda: _skill_model(section, sizes), section, state)
    return model.eval()


def _skill_model(section: TrainSkillsSection, sizes: Sizes) -> SkillModel:
    size = sizes.action_dim
    scale = ActionScale(torch.zeros(size), torch.ones(size)) if section.units == "scaled" else None
    return SkillModel(section, sizes.state_dim, size, image_shape=sizes.image_shape, action_scale=scale)


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
    with _described(path):
        section = TrainPriorSection.model_validate(state.scalars["section"])
        sizes = Sizes.model_validate({key: value for key, value in state.scalars.items() if key != "section"})
        prior = _filled(lambda: _prior(section, sizes), section, state)
    return prior.eval(), sizes.latent_dim


def _prior(section: TrainPriorSection, sizes: Sizes) -> PriorNetwork:
    return make_prior(section, Normalizer.identity(sizes.state_dim), sizes.latent_dim, sizes.image_shape)


@contextmanager
def _described(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file's content is taken apart into the error of a damaged file.

    Raises:
        ArtifactError: the file does not hold what its header says.
    """
    try:
        yield
    except ArtifactError as error:
        raise ArtifactError(f"{path} cannot be read as a model: {error.message}", error.hint) from error
    except Exception as error:  # torch and pydantic do not say what they raise
        reason = " ".join(str(error).split())
        raise ArtifactError(f"{path} cannot be read as a model ({type(error).__name__}: {reason})") from error


def _filled(build: Callable[[], Model], section: Section, state: State) -> Model:
    """Build a model and fill it with the tensors of a file.

    A file's header may ask for sizes that no memory holds, so shapes are compared before anything is allocated.

    Raises:
        ArtifactError: the tensors do not have the sizes in the header.
    """
    if any(count > MAX_LAYERS for count in _layers(section.model_dump())):
        raise ArtifactError(f"its header asks for more than {MAX_LAYERS} layers")
    with torch.device("meta"):
        wanted = {f"model/{name}": tensor.shape for name, tensor in build().state_dict().items()}
    if wanted != {name: tensor.shape for name, tensor in state.tensors.items()}:
        raise ArtifactError("its tensors do not have the sizes in its header")
    model = build()
    unpack_module(model, "model", state)
    return model


def _layers(section: Mapping[str, Any]) -> Iterator[int]:
    """Yield the numbers in a section that say how many layers or networks there are."""
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _layers(value)
        elif name in LAYER_COUNTS:
            yield value


def _seen(perception: Perception) -> dict[str, Any]:
    shape = perception.image_shape
    return {"state_dim": perception.state_dim, "image_shape": None if shape is None else list(shape)}
