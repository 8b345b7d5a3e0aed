"""The section of `spirl train-skills`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from spirl_cli.settings import Index, Precision, Section

Share = Annotated[str, Field(pattern=r"^\d+(\.\d+)?%$")]  # of a spread, such as 3%


class StateNoise(Section):
    """Gaussian noise added to some state inputs while skills and prior are trained.

    `sigma` is in the units of the state, before normalisation, or a share of each number's spread, such as `3%`.
    """

    indices: tuple[Index, ...]  # numbers of the state that get noise
    # standard deviation of the noise: a number before normalisation, or a share of each number's spread such as 3%.
    # Unit: that of the state, or %. Try: 1% to 3%
    sigma: PositiveFloat | Share


class Augmentation(Section):
    """State augmentation of training windows (see `spirl_cli/skills/augmentation.py`)."""

    # noise on numbers of the state, so that decoder and prior know what to do beside the demonstrated path. Try: a few
    # percent where rollouts leave the demonstrations and do not come back
    state_noise: tuple[StateNoise, ...] = ()
    # share of the noise drawn anew at every step, on top of one draw held over the window
    independent: NonNegativeFloat = 0.3
    # the commanded action is corrected by -correction * noise, for the state dimensions that an action drives directly;
    # 0 leaves actions as demonstrated
    correction: float = 0.0
    correction_indices: tuple[Index, ...] = ()  # state index that action i drives
    # groups of state indices (objects); in `swap_windows` of the windows, every group that does not move takes its
    # value from a random other step with probability `swap_probability`
    swap_groups: tuple[tuple[Index, ...], ...] = ()
    swap_windows: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of the windows in which groups are swapped
    # probability that a group that does not move is swapped in such a window
    swap_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    # change within a window up to which a group does not move. Unit: that of the state
    swap_tolerance: PositiveFloat = 0.01
    encoder: bool = False  # whether the encoder sees augmented clips too, or only the decoder does


class ImageEncoderSection(Section):
    """Convolutions that turn the stacked image into features (docs/method.md#image-features)."""

    # channels of each convolution (4×4 kernels, stride 2)
    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (8, 16, 32)
    features: PositiveInt = 32  # numbers that an image becomes
    batch_norm: bool = False  # whether features are normalised over the batch, from the second convolution on


class BatchSection(Section):
    """What both supervised stages say of their batches."""

    batch_norm: bool = False  # whether hidden layers are normalised over the batch, as published
    batch_size: PositiveInt = 128  # windows of a batch
    # equal parts of a batch, whose gradients threads compute side by side, a core for each. The result depends on this
    # number, but not on the cores that there are; null: whole batches, on one core. Try: 2
    batch_parts: PositiveInt | None = None

    @model_validator(mode="after")
    def _parts_are_equal(self) -> Self:
        if self.batch_parts is not None and self.batch_size % self.batch_parts:
            raise ValueError(f"batch_parts: a batch of {self.batch_size} does not have {self.batch_parts} equal parts")
        if self.batch_parts is not None and self.batch_norm:
            raise ValueError("batch_parts is for networks without batch_norm, which needs whole batches")
        return self


class TrainSkillsSection(BatchSection):
    """Skill encoder and decoder (stage `skills`)."""

    # a decoder that sees the state at every step (closed-loop), one that does not (open-loop), or actions themselves as
    # skills (primitive). Try: open-loop where actions suit any state
    model: Literal["closed-loop", "open-loop", "primitive"] = "closed-loop"
    # steps that one skill takes (H). Unit: environment steps. Try: a meaningful piece of behaviour, 5 to 10 steps, so
    # that an episode has ten skills or more
    horizon: PositiveInt = 10
    latent_dim: PositiveInt = 10  # numbers of a skill z. Try: between the size of an action and ten
    # number format of matrix products, while weights and sums stay float32. bfloat16: less exact, and twice as fast on
    # processors that have it; auto: bfloat16 on such processors; null: float32. Try: auto
    precision: Precision = None
    # what turns a clip into a skill: an MLP on all its steps at once (mlp), or convolutions over time (conv), both much
    # quicker than an LSTM; null: an LSTM, as published
    encoder: Literal["mlp", "conv"] | None = None
    encoder_width: PositiveInt = 128  # units of the encoder's layers
    decoder_width: PositiveInt = 128  # units of the decoder's layers, or of its LSTM where it is open-loop
    decoder_depth: PositiveInt = 5  # hidden layers of the decoder
    # numbers of the state that a closed-loop decoder sees; null: all, or none beside an image. Try: hide what tells the
    # action, such as the goal, where a skill decides little
    state_indices: tuple[Index, ...] | None = None
    # convolutions for the image that a closed-loop decoder sees; null: no image
    image: ImageEncoderSection | None = None
    # so many steps of a window, drawn at random, are all that a closed-loop decoder learns from; null: all. Steps of a
    # window are much alike, so that fewer with more windows learn more in a minute where the decoder sees images
    decoder_steps: PositiveInt | None = None
    normalize: bool = True  # whether states are standardised
    # scaled: actions are learned in units of their bounds (of their spread, where the bounds are far away), and states
    # that hardly move are told by the spread of the others; raw: numbers as they are; null: as the domain has it
    units: Literal["scaled", "raw"] | None = None
    # weight of what a skill carries against the error of reconstruction. Try: ten times less where skills carry less
    # than 2 nats; or target_kl
    beta: NonNegativeFloat = 5e-4
    # what each number of a skill shall carry; beta follows it. null: beta is fixed. Unit: nats per latent dimension.
    # Try: 1.0 on data of your own
    target_kl: PositiveFloat | None = None
    iterations: PositiveInt = 40_000  # batches to train on. Unit: iterations. Try: some fifty passes over all windows
    learning_rate: PositiveFloat = 1e-3  # step size of the optimiser
    optimizer: Literal["adam", "radam"] = "adam"  # which optimiser
    schedule: Literal["constant", "cosine"] = "cosine"  # whether the learning rate stays or falls along a cosine
    # whether windows are drawn evenly, or episodes first as the authors do, so that steps of short ones count more
    sampling: Literal["windows", "episodes"] = "windows"
    augmentation: Augmentation = Augmentation()  # changes to the states of training windows; stored clips stay
    validate_every: PositiveInt = 2_000  # iterations between validations. Unit: iterations
    best_of: PositiveInt = 100  # random skills of which the closest to a held-out window counts in `validation/best_of`
    checkpoint_seconds: PositiveFloat = 60.0  # time between checkpoints. Unit: seconds
    seed: NonNegativeInt | None = None  # seed of weights and batches; null: the recipe's

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
