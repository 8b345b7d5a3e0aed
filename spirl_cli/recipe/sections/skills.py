"""The section of `spirl train-skills`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from spirl_cli.settings import Index, Section

Share = Annotated[str, Field(pattern=r"^\d+(\.\d+)?%$")]  # of a spread, such as 3%


class StateNoise(Section):
    """Gaussian noise added to some state inputs while skills and prior are trained.

    `sigma` is in the units of the state, before normalisation, or a share of each number's spread, such as `3%`.
    """

    indices: tuple[Index, ...]
    sigma: PositiveFloat | Share


class Augmentation(Section):
    """State augmentation of training windows (see `spirl_cli/skills/augmentation.py`)."""

    state_noise: tuple[StateNoise, ...] = ()
    # share of the noise drawn anew at every step, on top of one draw held over the window
    independent: NonNegativeFloat = 0.3
    # the commanded action is corrected by -correction * noise, for the state dimensions that
    # an action drives directly; 0 leaves actions as demonstrated
    correction: float = 0.0
    correction_indices: tuple[Index, ...] = ()  # state index that action i drives
    # groups of state indices (objects); in `swap_windows` of the windows, every group that does
    # not move takes its value from a random other step with probability `swap_probability`
    swap_groups: tuple[tuple[Index, ...], ...] = ()
    swap_windows: Annotated[float, Field(ge=0, le=1)] = 0.0
    swap_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    swap_tolerance: PositiveFloat = 0.01
    encoder: bool = False  # whether the encoder sees augmented clips too, or only the decoder does


class ImageEncoderSection(Section):
    """Convolutions that turn the stacked image into features (docs/method.md#image-features)."""

    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (8, 16, 32)  # 4×4 kernels, stride 2
    features: PositiveInt = 32
    batch_norm: bool = False  # from the second convolution on


class TrainSkillsSection(Section):
    """Skill encoder and decoder (stage `skills`)."""

    model: Literal["closed-loop", "open-loop", "primitive"] = "closed-loop"
    horizon: PositiveInt = 10
    latent_dim: PositiveInt = 10
    encoder_width: PositiveInt = 128
    decoder_width: PositiveInt = 128
    decoder_depth: PositiveInt = 5
    # what a closed-loop decoder sees: numbers of the state (null: all, or none beside an image), and the image
    state_indices: tuple[Index, ...] | None = None
    image: ImageEncoderSection | None = None
    # so many steps of a window, drawn at random, are all that a closed-loop decoder learns from; null: all. Steps of a
    # window are much alike, so that fewer with more windows learn more in a minute where the decoder sees images
    decoder_steps: PositiveInt | None = None
    batch_norm: bool = False
    normalize: bool = True
    # scaled: actions are learned in units of their bounds (of their spread, where the bounds are far away), and states
    # that hardly move are told by the spread of the others; raw: numbers as they are. null: as the domain has it
    units: Literal["scaled", "raw"] | None = None
    beta: NonNegativeFloat = 5e-4
    target_kl: PositiveFloat | None = None  # nats per latent dimension; null: beta is fixed
    iterations: PositiveInt = 40_000
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 1e-3
    optimizer: Literal["adam", "radam"] = "adam"
    schedule: Literal["constant", "cosine"] = "cosine"
    sampling: Literal["windows", "episodes"] = "windows"
    augmentation: Augmentation = Augmentation()
    validate_every: PositiveInt = 2_000
    best_of: PositiveInt = 100
    checkpoint_seconds: PositiveFloat = 60.0
    seed: NonNegativeInt | None = None

    @model_validator(mode="after")
    def _primitive_is_one_step(self) -> TrainSkillsSection:
        if self.model == "primitive" and self.horizon != 1:
            raise ValueError("train_skills.model 'primitive' needs train_skills.horizon: 1")
        return self

    @model_validator(mode="after")
    def _has_these_steps(self) -> TrainSkillsSection:
        if self.decoder_steps is not None and (self.model != "closed-loop" or self.decoder_steps > self.horizon):
            raise ValueError("train_skills.decoder_steps is for a closed-loop model, and at most train_skills.horizon")
        return self
