"""The section of `spirl train-prior`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from spirl_cli.recipe.sections.skills import Augmentation, BatchSection, ImageEncoderSection
from spirl_cli.settings import Index, Precision, Section


class MixtureSection(Section):
    """Mixture of Gaussians (see `spirl_cli/skills/mixture.py`)."""

    components: PositiveInt = 5  # Gaussians of the mixture


class FlowSection(Section):
    """Conditional RealNVP flow (see `spirl_cli/skills/flow.py`)."""

    blocks: PositiveInt = 6  # coupling blocks of the flow
    width: PositiveInt = 32  # units of the hidden layers of a block's networks
    depth: PositiveInt = 2  # hidden layers of a block's networks


class EnsembleSection(Section):
    """Ensemble of Gaussians (see `spirl_cli/skills/ensemble.py`)."""

    members: Annotated[int, Field(ge=2)] = 5  # Gaussians that are trained side by side


class TrainPriorSection(BatchSection):
    """Skill prior p(z | s), or behaviour cloning when the skills are primitive actions."""

    # density of the prior. Try: mixture where equally good choices differ
    family: Literal["gaussian", "mixture", "flow", "ensemble"] = "gaussian"
    mixture: MixtureSection | None = None  # sizes of the family mixture; null for other families
    flow: FlowSection | None = None  # sizes of the family flow; null for other families
    ensemble: EnsembleSection | None = None  # sizes of the family ensemble; null for other families
    # numbers of the state that the prior, and a policy that starts from it, sees; null: all, or none beside an image
    state_indices: tuple[Index, ...] | None = None
    # convolutions for the image that the prior, and a policy that starts from it, sees; null: no image
    image: ImageEncoderSection | None = None
    width: PositiveInt = 128  # units of a hidden layer
    depth: PositiveInt = 6  # number of hidden layers
    # number format of matrix products, while weights and sums stay float32. bfloat16: less exact, and twice as fast on
    # processors that have it; auto: bfloat16 on such processors; null: float32. Try: auto
    precision: Precision = None
    # negative log-likelihood of encoded skills (nll), or divergence from the encoder's Gaussian (kl)
    objective: Literal["nll", "kl"] = "nll"
    min_log_sigma: float = -10.0  # smallest logarithm of a standard deviation
    # batches to train on. Try: fewer where the held-out likelihood falls while training goes on, as with few
    # demonstrations
    iterations: PositiveInt = 20_000
    learning_rate: PositiveFloat = 1e-3  # step size of the optimiser
    # largest norm of a gradient, as a density with a tiny sigma has gradients without bounds; null: any
    max_gradient_norm: PositiveFloat | None = 10.0
    optimizer: Literal["adam", "radam"] = "adam"  # which optimiser
    schedule: Literal["constant", "cosine"] = "cosine"  # whether the learning rate stays or falls along a cosine
    # whether windows are drawn evenly, or episodes first as the authors do, so that steps of short ones count more
    sampling: Literal["windows", "episodes"] = "windows"
    # changes to the states that the prior is trained on; null: as in train_skills
    augmentation: Augmentation | None = None
    validate_every: PositiveInt = 2_000  # iterations between validations. Unit: iterations
    checkpoint_seconds: PositiveFloat = 60.0  # time between checkpoints. Unit: seconds
    seed: NonNegativeInt | None = None  # seed of weights and batches; null: the recipe's

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
