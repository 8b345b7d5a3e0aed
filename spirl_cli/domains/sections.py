"""The environment's section of a recipe, one class for each kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart, Section

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

# The 30 joint positions of robot and objects out of FrankaKitchen-v1's 59 numbers.
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
    """Stacking blocks in a plane with a two-finger gripper, see `spirl_cli/domains/blocks/env.py`."""

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
