"""The section of `spirl train-prior`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from spirl_cli.recipe.sections.skills import Augmentation, ImageEncoderSection
from spirl_cli.settings import Index, Section


class MixtureSection(Section):
    """Mixture of Gaussians (see `spirl_cli/skills/mixture.py`)."""

    components: PositiveInt = 5


class FlowSection(Section):
    """Conditional RealNVP flow (see `spirl_cli/skills/flow.py`)."""

    blocks: PositiveInt = 6
    width: PositiveInt = 32  # of the hidden layers of a block's networks
    depth: PositiveInt = 2  # how many there are


class EnsembleSection(Section):
    """Ensemble of Gaussians (see `spirl_cli/skills/ensemble.py`)."""

    members: Annotated[int, Field(ge=2)] = 5


class TrainPriorSection(Section):
    """Skill prior p(z | s), or behaviour cloning when the skills are primitive actions."""

    family: Literal["gaussian", "mixture", "flow", "ensemble"] = "gaussian"
    # sizes of these families; null for those that are not used
    mixture: MixtureSection | None = None
    flow: FlowSection | None = None
    ensemble: EnsembleSection | None = None
    # what the prior, and a policy that starts from it, see: as in train_skills
    state_indices: tuple[Index, ...] | None = None
    image: ImageEncoderSection | None = None
    width: PositiveInt = 128
    depth: PositiveInt = 6
    batch_norm: bool = False
    objective: Literal["nll", "kl"] = "nll"
    min_log_sigma: float = -10.0
    iterations: PositiveInt = 20_000
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 1e-3
    max_gradient_norm: PositiveFloat | None = 10.0  # a density with a tiny sigma has gradients without bounds
    optimizer: Literal["adam", "radam"] = "adam"
    schedule: Literal["constant", "cosine"] = "cosine"
    sampling: Literal["windows", "episodes"] = "windows"
    augmentation: Augmentation | None = None  # null: as in train_skills
    validate_every: PositiveInt = 2_000
    checkpoint_seconds: PositiveFloat = 60.0
    seed: NonNegativeInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _sizes_of_the_family(cls, values: Any) -> Any:
        """Fill in the family's own sizes, so that a fingerprint holds them, and a Gaussian's holds none."""
        family = values.get("family") if isinstance(values, dict) else None
        if family in ("mixture", "flow", "ensemble") and values.get(family) is None:
            return {**values, family: {}}
        return values

    @model_validator(mode="after")
    def _kl_in_closed_form(self) -> TrainPriorSection:
        if self.objective == "kl" and self.family in ("mixture", "flow"):
            raise ValueError(
                f"train_prior.objective 'kl' has no closed form for the family '{self.family}'; "
                "set train_prior.objective to nll"
            )
        return self
