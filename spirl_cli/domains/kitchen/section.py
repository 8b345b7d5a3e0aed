"""The kitchen's settings in a recipe: `env` and `extract.scripted`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from spirl_cli.domains.section import EnvSection, PlannerKey
from spirl_cli.settings import ObservationPart, Section

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


class KitchenExpert(Section):
    """Demonstrations of a scripted expert in the kitchen (`spirl_cli/domains/kitchen/expert/`)."""

    plans: Literal["human", "uniform"] = "human"  # order of subtasks: with the frequencies of people, or uniform
    subtasks: Annotated[int, Field(ge=1, le=7)] = 4  # number of subtasks in a demonstration
    target: bool = False  # whether a demonstration may complete all four subtasks of the published task
    # variation of speeds, paths and grasps; 1 is the variation among people
    variation: Annotated[float, Field(ge=0, le=2)] = 1.0
    disturbance: Annotated[float, Field(ge=0, le=1)] = 0.25  # probability of a push, per subtask
    pause: Annotated[float, Field(ge=0, le=1)] = 0.25  # probability of a rest before a subtask
    # steps for one subtask; after them the demonstration has failed and is repeated. Unit: environment steps
    max_steps: PositiveInt = 150
    seed: NonNegativeInt = 0  # seed of the demonstrations; runs with different recipe seeds share them
    noise: NonNegativeFloat = 0.01  # noise of the robot's observations, as in env.noise
    object_noise: NonNegativeFloat = 0.0005  # noise of the objects' observations, as in env.object_noise


class KitchenSection(EnvSection):
    """FrankaKitchen-v1 with chosen subtasks, reward semantics and observation noise."""

    known_units: ClassVar[bool] = True
    planner: ClassVar[PlannerKey | None] = PlannerKey("scripted", "scripted", KitchenExpert, stands_in=True)

    kind: Literal["kitchen"] = "kitchen"  # the domain
    # subtasks that are rewarded
    tasks: Annotated[tuple[KitchenTask, ...], Field(min_length=1)] = (
        "microwave",
        "kettle",
        "bottom burner",
        "light switch",
    )
    order: Literal["any", "in-order"] = "any"  # whether subtasks count in any order, or only in the order of `tasks`
    noise: NonNegativeFloat = 0.01  # noise of the robot's observations (gymnasium-robotics' robot_noise_ratio)
    object_noise: NonNegativeFloat = 0.0005  # noise of the objects' observations (its object_noise_ratio)
    episode_length: PositiveInt = 280  # steps after which an episode is cut. Unit: environment steps
    # parts of the observation that networks see, joined in this order
    observation: tuple[ObservationPart, ...] = KITCHEN_POSITIONS

    @model_validator(mode="after")
    def _tasks_differ(self) -> KitchenSection:
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError("env.tasks names a subtask twice")
        return self
