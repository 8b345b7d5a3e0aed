"""Where demonstrations come from: the section of `spirl extract`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, SerializeAsAny, model_validator

from spirl_cli.settings import Observation, Section

Bound = float | tuple[float, ...]  # of an action
# Written out, the usual treatment is the same as left out, so that it has the same fingerprint.
OrRefuse = BeforeValidator(lambda value: None if value == "refuse" else value)


class ExtractSection(Section):
    """Where trajectories come from and how they are split (stage `clips`)."""

    source: Literal["auto", "minari", "hdf5", "planner", "scripted"] = "auto"
    dataset: str | None = None  # a Minari id or a path; null only where demonstrations are generated
    # settings of the demonstrations that a domain makes itself; which key, and of which type, the domain says
    planner: SerializeAsAny[Section] | None = None
    blocks_planner: SerializeAsAny[Section] | None = None  # of block stacking
    scripted: SerializeAsAny[Section] | None = None  # of the kitchen; null: its defaults
    episodes: PositiveInt | None = None  # at most so many, from the start of the dataset
    observation: Observation | None = None  # null: as in the environment
    filter: str | None = None  # a mask of a robomimic file, such as train; null: all demonstrations
    # low and high, for all dimensions or a list with one for each; null: those of the dataset's action space
    action_bounds: tuple[Bound, Bound] | None = None
    bad_episodes: Annotated[Literal["skip", "trim"] | None, OrRefuse] = None  # null or refuse: they end the extraction
    out_of_bounds: Annotated[Literal["clip"] | None, OrRefuse] = None  # actions; null or refuse: as above
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    # for parity: docs/method.md#short-demonstrations-are-joined and
    # docs/method.md#final-start-positions-are-never-drawn
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
