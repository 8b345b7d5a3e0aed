"""The section of `spirl train-rl`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from spirl_cli.settings import MAX_ENVIRONMENTS, Index, Precision, Section


class Parity(Section):
    """Defects of the authors' code (docs/method.md#defects-of-the-authors-code), each off by default."""

    late_observation: bool = False  # as in docs/method.md#late-observation
    terminal_timeouts: bool = False  # as in docs/method.md#time-outs-stored-as-terminal
    drop_timeout_reward: bool = False  # as in docs/method.md#reward-dropped-at-a-time-out
    tanh_actions: bool = False  # as in docs/method.md#decoded-actions-squashed
    uncounted_warmup: bool = False  # as in docs/method.md#warm-up-not-counted
    clamp_policy_divergence: bool = False  # as in docs/method.md#divergence-clamped-in-the-policy-loss


class FourierSection(Section):
    """Sines and cosines of some state numbers, where values change abruptly (see `spirl_cli/rl/critic_inputs.py`)."""

    indices: tuple[Index, ...]  # numbers of the state that become waves
    wavelength: PositiveFloat  # typical length of a wave. Unit: that of these numbers
    features: PositiveInt = 64  # number of waves; each gives a sine and a cosine


class ObjectsSection(Section):
    """Objects at the end of a state, which critics see as a set (see `spirl_cli/rl/critic_inputs.py`)."""

    first: NonNegativeInt  # index of the first number of the first object
    size: PositiveInt  # numbers of an object, of which the first say where it is
    origin: tuple[Index, ...]  # numbers of the state that say where the agent is
    # lengths on which distances are told apart. Unit: that of the positions
    lengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    width: PositiveInt = 64  # units of a hidden layer


class TrainRLSection(Section):
    """Soft actor-critic in skill space, regularised by the prior (stage `agent`)."""

    # environment steps, warm-up included. Unit: environment steps. Try: 50,000 to begin with; more continues a finished
    # run
    steps: PositiveInt = 200_000
    # environment steps at which weights are kept, for a learning curve. Unit: environment steps
    snapshots: tuple[PositiveInt, ...] = ()
    # environment steps with the initial policy, without updates. Unit: environment steps. Try: some five episodes
    warmup_steps: NonNegativeInt = 5_000
    # what a policy is held to: the prior (spirl), or high entropy (soft actor-critic)
    regularizer: Literal["prior", "entropy"] = "prior"
    # whether the policy starts from the prior or from random weights
    initial_policy: Literal["prior", "scratch"] = "prior"
    policy_family: Literal["mixture"] | None = None  # mixture: like the prior that it starts from; null: a Gaussian
    policy_width: PositiveInt = 128  # units of a hidden layer of a policy from scratch; from the prior it has its shape
    policy_depth: PositiveInt = 6  # hidden layers of a policy from scratch
    # divergence from the prior that alpha aims at (delta). Unit: nats. Try: what a skill carries, or half of it; more
    # where learning stands still, less where it falls below the prior
    target_divergence: PositiveFloat = 5.0
    # samples behind a Monte-Carlo divergence; null: the closed form where there is one, else 10 as in the authors' code
    divergence_samples: PositiveInt | None = None
    # entropy that alpha aims at, with `regularizer: entropy`; null: minus the action's dimension. Unit: nats
    target_entropy: float | None = None
    # how skills are kept within bounds (docs/method.md#squashed-skills); bounds: of primitive actions
    squash: Literal["none", "tanh", "consistent-tanh", "bounds"] = "none"
    # environments that run side by side, a process each. Try: as many as cores
    environments: Annotated[int, Field(ge=1, le=MAX_ENVIRONMENTS)] = 4
    # gradient updates for each skill that was played. Try: 1; more learn more from a step where simulating is slow, but
    # values may run away
    updates_per_step: PositiveFloat = 1.0
    batch_size: PositiveInt = 256  # transitions of a batch
    # number format of matrix products, while weights and sums stay float32. bfloat16: less exact, and twice as fast on
    # processors that have it; auto: bfloat16 on such processors; null: float32. Try: auto
    precision: Precision = None
    # weight of the value one skill later. Try: nearer to 1 where the reward comes after more than a hundred skills
    discount: Annotated[float, Field(gt=0, le=1)] = 0.99
    # what the learner multiplies rewards by; results show the true ones. auto: such that the first rewards of a skill
    # that are not 0 have the size 1; null: auto where the domain's units are not known, else 1
    reward_scale: PositiveFloat | Literal["auto"] | None = None
    # share by which target critics follow the critics at an update (tau)
    target_rate: Annotated[float, Field(gt=0, le=1)] = 5e-3
    critics: PositiveInt = 2  # number of critics, of which the smallest value counts: more are more pessimistic
    critic_width: PositiveInt = 256  # units of a hidden layer of a critic
    critic_depth: PositiveInt = 2  # hidden layers of a critic
    critic_layer_norm: bool = True  # whether layers of critics are normalised, against values that run away
    critic_fourier: FourierSection | None = None  # waves of some numbers as further inputs of critics; null: none
    critic_objects: ObjectsSection | None = None  # objects of the state that critics see as a set; null: as they stand
    # share of a batch from transitions that were followed by any reward; values are then no lower than the return that
    # followed in the very episode; null: neither. Try: for sparse rewards that are never negative
    rewarded_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    # largest sum of rewards of a skill, where known: bounds the values; null: unknown
    max_reward: PositiveFloat | None = None
    policy_learning_rate: PositiveFloat = 3e-4  # step size of the policy's optimiser
    critic_learning_rate: PositiveFloat = 3e-4  # step size of the critics' optimiser
    # temperature at the start: the weight of the divergence against values. auto: after `critic_warmup`, such that the
    # best policy by these critics is delta nats from the prior (0.02 with `regularizer: entropy`). Try: auto where
    # values are much larger or smaller than 1
    initial_alpha: PositiveFloat | Literal["auto"] = 0.02
    # updates of the critics alone, before policy and temperature learn too; null: none. Unit: updates. Try: 1,000, so
    # that the policy does not follow values of critics that know nothing yet
    critic_warmup: PositiveInt | None = None
    alpha_learning_rate: NonNegativeFloat = 1e-3  # step size of the temperature; 0 keeps alpha fixed
    # smallest alpha; null: none, and then the policy strays from the prior up to delta even while no reward was found
    min_alpha: PositiveFloat | None = None
    max_gradient_norm: PositiveFloat | None = 1.0  # largest norm of the policy's gradient; null: any
    min_log_sigma: float = -2.0  # smallest logarithm of the policy's standard deviation
    max_divergence: PositiveFloat = 100.0  # largest divergence that counts in targets and in alpha's loss. Unit: nats
    # true: the policy keeps the convolutions of the prior; null: they are trained on
    frozen_image_encoder: Literal[True] | None = None
    replay_capacity: PositiveInt = 1_000_000  # transitions that the replay holds, one for each skill
    log_every: PositiveInt = 1_000  # environment steps between rows of metrics. Unit: environment steps
    checkpoint_seconds: PositiveFloat = 120.0  # time between checkpoints. Unit: seconds
    parity: Parity = Parity()  # defects of the authors' code, each off by default
    seed: NonNegativeInt | None = None  # seed of weights, batches and episodes; null: the recipe's
