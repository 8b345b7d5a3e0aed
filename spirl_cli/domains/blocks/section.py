"""The settings of block stacking in a recipe: `env` and `extract.blocks_planner`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from spirl_cli.domains.drawn import STATE_AND_IMAGE, DrawnSection
from spirl_cli.domains.section import PlannerKey
from spirl_cli.settings import ObservationPart, Section


class BlocksPlanner(Section):
    """Demonstrations of picking and placing blocks (`spirl_cli/domains/blocks/planner.py`)."""

    blocks: Annotated[int, Field(ge=2, le=30)] = 5  # blocks in a demonstration
    stacked: NonNegativeInt = 2  # most blocks that lie on another one at the start
    stackings: PositiveInt = 2  # most blocks that a demonstration stacks
    max_steps: PositiveInt = 250  # longest demonstration. Unit: environment steps
    disturbance: NonNegativeFloat = 0.2  # sideways displacement of sub-goals, as a share of the way's length
    travel_height: NonNegativeFloat = 0.0  # least height of ways; above towers that are out of view. Unit: m
    # share of demonstrations that begin with a failed grasp: the open fingers rest on blocks that lie close together
    failed_grasps: Annotated[float, Field(ge=0, le=1)] = 0.0
    onto_tallest: Annotated[float, Field(ge=0, le=1)] = 0.5  # probability that the target is the tallest tower
    gain: PositiveFloat = 12.0  # action for each metre of distance from the sub-goal
    # standard deviation of noise that moves the gripper; actions are recorded without it
    action_noise: NonNegativeFloat = 0.0
    noisy_share: Annotated[float, Field(ge=0, le=1)] = 1.0  # share of steps with noise

    @model_validator(mode="after")
    def _enough_blocks(self) -> BlocksPlanner:
        if self.blocks < self.stacked + 2:
            raise ValueError("extract.blocks_planner.blocks must be at least two more than `stacked`")
        return self


class BlocksSection(DrawnSection):
    """Stacking blocks in a plane with a two-finger gripper, see `spirl_cli/domains/blocks/env.py`."""

    known_units: ClassVar[bool] = True
    planner: ClassVar[PlannerKey | None] = PlannerKey("planner", "blocks_planner", BlocksPlanner)

    kind: Literal["blocks"]  # the domain
    blocks: Annotated[int, Field(ge=1, le=30)] = 11  # number of blocks; the table's length grows with them
    # dense: the height of the towers, and each block lifted and delivered; sparse: the height alone
    reward: Literal["dense", "sparse"] = "dense"
    episode_length: PositiveInt = 1000  # steps after which an episode is cut. Unit: environment steps
    frames: PositiveInt = 2  # images stacked along the channels of the observation, the oldest first
    # parts of the observation that networks see, joined in this order; the image comes last
    observation: tuple[ObservationPart, ...] = STATE_AND_IMAGE
    order: None = None  # always null; fingerprints of agents and evaluations hold this key
    noise: None = None  # always null; fingerprints of agents and evaluations hold this key

    def mismatch(self, settings: Section | None) -> str | None:
        """Return a message if the demonstrations have another number of blocks, else None."""
        if not isinstance(settings, BlocksPlanner) or settings.blocks == self.blocks:
            return None
        return f"there are {settings.blocks} blocks in the demonstrations and {self.blocks} in the environment"
