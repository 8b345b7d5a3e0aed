"""The section of `spirl train-rl`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from spirl_cli.settings import MAX_ENVIRONMENTS, Index, Section


class Parity(Section):
    """Defects of the authors' code (docs/method.md#defects-of-the-authors-code), each off by default."""

    late_observation: bool = False  # docs/method.md#late-observation
    terminal_timeouts: bool = False  # docs/method.md#time-outs-stored-as-terminal
    drop_timeout_reward: bool = False  # docs/method.md#reward-dropped-at-a-time-out
    tanh_actions: bool = False  # docs/method.md#decoded-actions-squashed
    uncounted_warmup: bool = False  # docs/method.md#warm-up-not-counted
    clamp_policy_divergence: bool = False  # docs/method.md#divergence-clamped-in-the-policy-loss


class FourierSection(Section):
    """Sines and cosines of some state numbers, where values change abruptly (see `spirl_cli/rl/critic_inputs.py`)."""

    indices: tuple[Index, ...]
    wavelength: PositiveFloat  # typical length of a wave, in units of these numbers
    features: PositiveInt = 64  # waves; each gives a sine and a cosine


class ObjectsSection(Section):
    """Objects at the end of a state, which critics see as a set (see `spirl_cli/rl/critic_inputs.py`)."""

    first: NonNegativeInt  # index of the first number of the first object
    size: PositiveInt  # numbers of an object, of which the first say where it is
    origin: tuple[Index, ...]  # the numbers that say where the agent is
    lengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]  # on which distances are told apart
    width: PositiveInt = 64


class TrainRLSection(Section):
    """Soft actor-critic in skill space, regularised by the prior (stage `agent`)."""

    steps: PositiveInt = 200_000  # environment steps, warm-up included
    snapshots: tuple[PositiveInt, ...] = ()  # environment steps at which weights are kept
    warmup_steps: NonNegativeInt = 5_000  # environment steps with the initial policy, no updates
    regularizer: Literal["prior", "entropy"] = "prior"
    initial_policy: Literal["prior", "scratch"] = "prior"
    policy_family: Literal["mixture"] | None = None  # like the prior that it starts from; null: a Gaussian
    policy_width: PositiveInt = 128  # of a policy from scratch; from the prior it has its shape
    policy_depth: PositiveInt = 6
    target_divergence: PositiveFloat = 5.0  # delta, nats
    # samples behind a Monte-Carlo divergence; null: the closed form where there is one, else 10 as in the authors' code
    divergence_samples: PositiveInt | None = None
    target_entropy: float | None = None  # null: minus the action's dimension
    # docs/method.md#squashed-skills; bounds: of primitive actions
    squash: Literal["none", "tanh", "consistent-tanh", "bounds"] = "none"
    environments: Annotated[int, Field(ge=1, le=MAX_ENVIRONMENTS)] = 4
    updates_per_step: PositiveFloat = 1.0  # gradient updates per agent (skill) step
    batch_size: PositiveInt = 256
    discount: Annotated[float, Field(gt=0, le=1)] = 0.99  # per skill step
    # what the learner multiplies rewards by; results show the true ones. auto: such that the first rewards of a skill
    # that are not 0 have the size 1; null: auto where the domain's units are not known, else 1
    reward_scale: PositiveFloat | Literal["auto"] | None = None
    target_rate: Annotated[float, Field(gt=0, le=1)] = 5e-3  # tau
    critics: PositiveInt = 2
    critic_width: PositiveInt = 256
    critic_depth: PositiveInt = 2
    critic_layer_norm: bool = True
    critic_fourier: FourierSection | None = None
    critic_objects: ObjectsSection | None = None
    # for sparse rewards that are never negative: values are no lower than the return that followed in the very
    # episode, and this share of a batch is drawn from transitions that were followed by any reward
    rewarded_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_reward: PositiveFloat | None = None  # largest sum of rewards of a skill, where known: bounds the values
    policy_learning_rate: PositiveFloat = 3e-4
    critic_learning_rate: PositiveFloat = 3e-4
    initial_alpha: PositiveFloat = 0.02
    alpha_learning_rate: NonNegativeFloat = 1e-3  # 0 keeps alpha fixed
    # smallest alpha; without one the policy strays from the prior up to delta even while no reward was found
    min_alpha: PositiveFloat | None = None
    max_gradient_norm: PositiveFloat | None = 1.0  # of the policy
    min_log_sigma: float = -2.0
    max_divergence: PositiveFloat = 100.0  # clamp of D in the target and in alpha's loss
    frozen_image_encoder: Literal[True] | None = None  # keep the convolutions of the prior in the policy
    replay_capacity: PositiveInt = 1_000_000
    log_every: PositiveInt = 1_000  # environment steps between rows of metrics
    checkpoint_seconds: PositiveFloat = 120.0
    parity: Parity = Parity()
    seed: NonNegativeInt | None = None
