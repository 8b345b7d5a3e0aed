"""The typed form of a recipe: one section per stage, one for the environment.

Unknown keys are refused. Only plain data lives here, so that importing it is fast; what a
value does is explained at the class that uses it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from spirl_cli.recipe.indices import checked_index

KITCHEN_TASKS = (
    "microwave",
    "kettle",
    "bottom burner",
    "top burner",
    "light switch",
    "slide cabinet",
    "hinge cabinet",
)
KitchenTask = Literal[
    "microwave", "kettle", "bottom burner", "top burner", "light switch", "slide cabinet", "hinge cabinet"
]


Index = Annotated[int | str, AfterValidator(checked_index)]  # 3 or "18:39"


class Section(BaseModel):
    """Base of all sections: immutable; a misspelt key, inf and nan are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ObservationPart(Section):
    """One piece of an observation: a (nested) key and the indices taken from that array.

    ``key`` is a path such as ``observation`` or ``robot/qpos``; null stands for an observation
    that is a plain array. ``indices`` are integers or Python-like ranges such as ``"18:39"``;
    null takes everything. The parts are flattened and concatenated in the order given.
    """

    key: str | None = None
    indices: tuple[Index, ...] | None = None


WHOLE_OBSERVATION = (ObservationPart(),)
# METHOD: the 30 joint positions of robot and objects out of FrankaKitchen-v1's 59 numbers.
KITCHEN_POSITIONS = (ObservationPart(key="observation", indices=("0:9", "18:39")),)


class KitchenSection(Section):
    """FrankaKitchen-v1 with chosen subtasks, reward semantics and observation noise."""

    kind: Literal["kitchen"] = "kitchen"
    tasks: Annotated[tuple[KitchenTask, ...], Field(min_length=1)] = (
        "microwave",
        "kettle",
        "bottom burner",
        "light switch",
    )
    order: Literal["any", "in-order"] = "any"
    noise: NonNegativeFloat = 0.01  # gymnasium-robotics' robot_noise_ratio
    object_noise: NonNegativeFloat = 0.0005  # its object_noise_ratio
    episode_length: PositiveInt = 280
    observation: tuple[ObservationPart, ...] = KITCHEN_POSITIONS

    @model_validator(mode="after")
    def _tasks_differ(self) -> KitchenSection:
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError("env.tasks names a subtask twice")
        return self


class GymnasiumSection(Section):
    """Any Gymnasium environment with a continuous (Box) action space."""

    kind: Literal["gymnasium"]
    id: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    module: str | None = None  # imported first, so that it can register the id
    episode_length: PositiveInt
    observation: tuple[ObservationPart, ...] = WHOLE_OBSERVATION
    success_key: str | None = None  # key of `info` that is true once the episode succeeded
    reward: Literal["environment", "success"] = "environment"
    terminate_on_success: bool = False
    order: None = None
    noise: NonNegativeFloat | None = None


Cell = tuple[NonNegativeInt, NonNegativeInt]  # row and column, the border counted
STATE_AND_IMAGE = (ObservationPart(key="state"), ObservationPart(key="image"))


class MazeSection(Section):
    """A point mass in a maze, seen from above; success is coming near the goal.

    Where ``layout`` is null the layout is generated from ``layout_seed``. Where ``start`` and ``goal``
    are null they are the first pair of cells, in a shuffle seeded with ``layout_seed``, whose shortest
    path has ``path_length`` cells and whose Manhattan distance is at most ``max_manhattan``.
    """

    kind: Literal["maze"]
    size: Annotated[int, Field(ge=8, le=200)] = 40  # cells along a side, without the border
    layout_seed: NonNegativeInt = 0
    layout: str | None = None  # rows of '#' and '.'; in a recipe the path of a file that holds them
    start: Cell | None = None
    goal: Cell | None = None
    path_length: PositiveInt = 34
    max_manhattan: PositiveInt = 26
    goal_radius: PositiveFloat = 2.0  # cells
    episode_length: PositiveInt = 2000
    frames: PositiveInt = 2  # images stacked along the channels of the observation, the oldest first
    observation: tuple[ObservationPart, ...] = STATE_AND_IMAGE
    order: None = None
    noise: None = None

    @model_validator(mode="after")
    def _both_ends(self) -> MazeSection:
        if (self.start is None) != (self.goal is None):
            raise ValueError("env.start and env.goal are given together, or neither")
        return self


class BlocksSection(Section):
    """Stacking blocks in a plane with a two-finger gripper, see `spirl_cli/envs/blocks.py`."""

    kind: Literal["blocks"]
    blocks: Annotated[int, Field(ge=1, le=30)] = 11  # the table is as long as they need
    reward: Literal["dense", "sparse"] = "dense"
    episode_length: PositiveInt = 1000
    frames: PositiveInt = 2  # images stacked along the channels of the observation, the oldest first
    observation: tuple[ObservationPart, ...] = STATE_AND_IMAGE
    order: None = None
    noise: None = None


DrawnSection: TypeAlias = MazeSection | BlocksSection  # images are drawn here, from states
EnvSection = Annotated[KitchenSection | GymnasiumSection | MazeSection | BlocksSection, Field(discriminator="kind")]


class MazePlanner(Section):
    """Demonstrations in random mazes: shortest path, PD control (`spirl_cli/demos/maze_planner.py`)."""

    size: Annotated[int, Field(ge=8, le=200)] = 20  # cells along a side, without the border
    max_steps: PositiveInt = 500
    min_steps: PositiveInt = 20  # shorter trajectories are drawn again
    jitter: Annotated[float, Field(ge=0, le=0.4)] = 0.2  # largest offset of a way-point from its cell's centre
    reach: PositiveFloat = 0.1  # distance at which the next way-point is aimed at
    gain: PositiveFloat = 10.0
    damping: NonNegativeFloat = 1.0
    action_noise: NonNegativeFloat = 0.0  # standard deviation, added before clipping


class BlocksPlanner(Section):
    """Demonstrations of picking and placing blocks (`spirl_cli/demos/blocks_planner.py`)."""

    blocks: Annotated[int, Field(ge=2, le=30)] = 5
    stacked: NonNegativeInt = 2  # at most so many lie on another at the start
    stackings: PositiveInt = 2  # at most so many in a demonstration
    max_steps: PositiveInt = 250
    disturbance: NonNegativeFloat = 0.2  # of a way's length, by which its displaced sub-goal lies aside
    onto_tallest: Annotated[float, Field(ge=0, le=1)] = 0.5  # how often the tallest tower is chosen; else by chance
    gain: PositiveFloat = 12.0
    # standard deviation of what moves the gripper besides its actions, which are recorded as they were meant
    action_noise: NonNegativeFloat = 0.0
    noisy_share: Annotated[float, Field(ge=0, le=1)] = 1.0  # of the steps

    @model_validator(mode="after")
    def _enough_blocks(self) -> BlocksPlanner:
        if self.blocks < self.stacked + 2:
            raise ValueError("extract.blocks_planner.blocks must be at least two more than `stacked`")
        return self


class KitchenExpert(Section):
    """Demonstrations of a scripted expert in the kitchen (`spirl_cli/demos/kitchen_expert/`)."""

    plans: Literal["human", "uniform"] = "human"  # orders of subtasks: as people chose, or any
    subtasks: Annotated[int, Field(ge=1, le=7)] = 4  # in a demonstration
    target: bool = False  # whether a demonstration may complete all four subtasks of the published task
    variation: Annotated[float, Field(ge=0, le=2)] = 1.0  # of speeds, paths and grasps; 1: as people vary
    disturbance: Annotated[float, Field(ge=0, le=1)] = 0.25  # probability of a push, per subtask
    pause: Annotated[float, Field(ge=0, le=1)] = 0.25  # probability of a rest before a subtask
    max_steps: PositiveInt = 150  # for one subtask; then the demonstration has failed and is made anew
    seed: NonNegativeInt = 0  # of the demonstrations; runs that differ in the recipe's seed share them
    noise: NonNegativeFloat = 0.01  # of observations, as in env.noise
    object_noise: NonNegativeFloat = 0.0005


class ExtractSection(Section):
    """Where trajectories come from and how they are split (stage `clips`)."""

    source: Literal["auto", "minari", "hdf5", "planner", "scripted"] = "auto"
    dataset: str | None = None  # a Minari id or a path; null only where demonstrations are generated
    planner: MazePlanner | None = None  # for env.kind 'maze'
    blocks_planner: BlocksPlanner | None = None  # for env.kind 'blocks'
    scripted: KitchenExpert | None = None  # for env.kind 'kitchen'; null: its defaults
    episodes: PositiveInt | None = None  # at most so many, from the start of the dataset
    observation: tuple[ObservationPart, ...] | None = None  # null: as in the environment
    action_bounds: tuple[float, float] | None = None  # null: those of the dataset's action space
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    # METHOD §5.6: the authors glue short demonstrations to the next one and never sample the
    # last two start positions; both only for parity.
    short_episodes: Literal["skip", "join"] = "skip"
    unused_final_starts: NonNegativeInt = 0
    seed: NonNegativeInt | None = None  # null: the recipe's

    @model_validator(mode="after")
    def _has_a_source(self) -> ExtractSection:
        if self.source == "planner":
            if self.episodes is None or (self.planner is None and self.blocks_planner is None):
                raise ValueError(
                    "extract.source 'planner' needs extract.planner and extract.episodes (in block stacking "
                    "extract.blocks_planner)"
                )
            if self.planner is not None and self.blocks_planner is not None:
                raise ValueError(
                    "extract.planner is for the maze and extract.blocks_planner for blocks: set one to null"
                )
        elif self.dataset is None and self.source != "scripted":
            raise ValueError("extract.dataset is missing. It is a Minari id, or the path of an HDF5 file or folder")
        return self


class StateNoise(Section):
    """Gaussian noise added to some state inputs while skills and prior are trained.

    ``sigma`` is in the units of the state, before normalisation.
    """

    indices: tuple[Index, ...]
    sigma: PositiveFloat


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
    """Convolutions that turn the stacked image into features (METHOD §2)."""

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


class Parity(Section):
    """Defects of the authors' code (METHOD §5), each reproducible on its own. All off by default."""

    late_observation: bool = False  # 5.1 the observation stored for a skill is one step late
    terminal_timeouts: bool = False  # 5.2 a time-out is stored as terminal
    drop_timeout_reward: bool = False  # 5.3 the last step's reward is dropped at a time-out
    tanh_actions: bool = False  # 5.4 the decoder's output is squashed although trained raw
    uncounted_warmup: bool = False  # 5.8 warm-up steps are not on the x-axis
    clamp_policy_divergence: bool = False  # the ±100 clamp also inside the policy's loss


class FourierSection(Section):
    """Sines and cosines of some state numbers, for values that change abruptly (see `spirl_cli/rl/critics.py`)."""

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
    squash: Literal["none", "tanh", "consistent-tanh", "bounds"] = "none"  # 5.5; bounds: of primitive actions
    environments: PositiveInt = 4
    updates_per_step: PositiveFloat = 1.0  # gradient updates per agent (skill) step
    batch_size: PositiveInt = 256
    discount: Annotated[float, Field(gt=0, le=1)] = 0.99  # per skill step
    reward_scale: PositiveFloat | None = None  # what the learner multiplies rewards by; results show the true ones
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


class EvaluateSection(Section):
    """Rollouts, statistics, figures and videos (stage `evaluation`)."""

    episodes: PositiveInt = 100
    policies: Annotated[tuple[Literal["sampled", "mean"], ...], Field(min_length=1)] = ("sampled", "mean")
    snapshots: bool = True  # evaluate the kept snapshots too, for the learning curve
    # to compare with: skills z ~ N(0, I) without any prior, and actions uniform within their bounds
    baselines: tuple[Literal["no-prior", "random"], ...] | None = None
    environments: PositiveInt = 2
    video_episodes: NonNegativeInt = 2
    bootstrap: PositiveInt = 10_000
    seed: NonNegativeInt | None = None


class Recipe(Section):
    """A whole pipeline, resolved: inheritance, profile and overrides applied."""

    id: str  # name of a packaged recipe ("kitchen", "paper-kitchen") or the file's stem
    profile: str | None = None
    method: str | None = None  # one of the methods of `spirl_cli/recipe/methods.yaml` or of the recipe itself
    description: str = ""
    seed: NonNegativeInt = 0
    env: EnvSection
    extract: ExtractSection
    train_skills: TrainSkillsSection = TrainSkillsSection()
    train_prior: TrainPriorSection = TrainPriorSection()
    train_rl: TrainRLSection = TrainRLSection()
    evaluate: EvaluateSection = EvaluateSection()

    @model_validator(mode="after")
    def _policy_is_like_the_prior(self) -> Recipe:
        rl = self.train_rl
        if rl.policy_family is None:
            return self
        if rl.initial_policy != "prior" or self.train_prior.family != rl.policy_family:
            raise ValueError("train_rl.policy_family 'mixture' needs train_prior.family: mixture to start from")
        if rl.squash != "none":
            raise ValueError("train_rl.policy_family 'mixture' needs train_rl.squash: none")
        return self

    @model_validator(mode="after")
    def _networks_carry_over(self) -> Recipe:
        """Networks that see all blocks of the demonstrations cannot act where there are others."""
        env, planner = self.env, self.extract.blocks_planner
        if not isinstance(env, BlocksSection) or planner is None or planner.blocks == env.blocks:
            return self
        looking: dict[str, TrainSkillsSection | TrainPriorSection] = {}
        if self.train_skills.model == "closed-loop":
            looking["train_skills"] = self.train_skills
        if self.train_rl.regularizer == "prior" or self.train_rl.initial_policy == "prior":
            looking["train_prior"] = self.train_prior
        for name, section in looking.items():
            if section.image is None and section.state_indices is None:
                raise ValueError(
                    f"there are {planner.blocks} blocks in the demonstrations and {env.blocks} in the environment: "
                    f"set {name}.image, or {name}.state_indices to numbers of the gripper"
                )
        return self
