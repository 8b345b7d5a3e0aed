"""Where demonstrations come from: the section of `spirl extract`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from spirl_cli.settings import ObservationPart, Section

Bound = float | tuple[float, ...]  # of an action
# Written out, the usual treatment is the same as left out, so that it has the same fingerprint.
OrRefuse = BeforeValidator(lambda value: None if value == "refuse" else value)


class MazePlanner(Section):
    """Demonstrations in random mazes: shortest path, PD control (`spirl_cli/domains/maze/planner.py`)."""

    size: Annotated[int, Field(ge=8, le=200)] = 20  # cells along a side, without the border
    max_steps: PositiveInt = 500
    min_steps: PositiveInt = 20  # shorter trajectories are drawn again
    jitter: Annotated[float, Field(ge=0, le=0.4)] = 0.2  # largest offset of a way-point from its cell's centre
    reach: PositiveFloat = 0.1  # distance at which the next way-point is aimed at
    gain: PositiveFloat = 10.0
    damping: NonNegativeFloat = 1.0
    action_noise: NonNegativeFloat = 0.0  # standard deviation, added before clipping


class BlocksPlanner(Section):
    """Demonstrations of picking and placing blocks (`spirl_cli/domains/blocks/planner.py`)."""

    blocks: Annotated[int, Field(ge=2, le=30)] = 5
    stacked: NonNegativeInt = 2  # at most so many lie on another at the start
    stackings: PositiveInt = 2  # at most so many in a demonstration
    max_steps: PositiveInt = 250
    disturbance: NonNegativeFloat = 0.2  # of a way's length, by which its displaced sub-goal lies aside
    travel_height: NonNegativeFloat = 0.0  # m, at least, of the gripper on its ways: above towers that are out of view
    # share of demonstrations that begin where a grasp has failed: blocks lie close, and the open fingers rest on them
    failed_grasps: Annotated[float, Field(ge=0, le=1)] = 0.0
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
    """Demonstrations of a scripted expert in the kitchen (`spirl_cli/domains/kitchen/expert/`)."""

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
    filter: str | None = None  # a mask of a robomimic file, such as train; null: all demonstrations
    # low and high, for all dimensions or a list with one for each; null: those of the dataset's action space
    action_bounds: tuple[Bound, Bound] | None = None
    bad_episodes: Annotated[Literal["skip", "trim"] | None, OrRefuse] = None  # null or refuse: they end the extraction
    out_of_bounds: Annotated[Literal["clip"] | None, OrRefuse] = None  # actions; null or refuse: as above
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
            raise ValueError("extract.dataset is missing. It is a Minari id, or the path of a file or folder")
        return self
