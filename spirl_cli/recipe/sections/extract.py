"""Where demonstrations come from: the section of `spirl extract`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializeAsAny,
    field_validator,
    model_validator,
)

from spirl_cli.settings import Observation, Section

Bound = float | tuple[float, ...]  # of an action
# Written out, the usual treatment is the same as left out, so that it has the same fingerprint.
OrRefuse = BeforeValidator(lambda value: None if value == "refuse" else value)


class ExtractSection(Section):
    """Where trajectories come from and how they are split (stage `clips`)."""

    # what `dataset` is: a Minari id, a path (hdf5), either (auto); or demonstrations that the domain makes (planner,
    # scripted)
    source: Literal["auto", "minari", "hdf5", "planner", "scripted"] = "auto"
    # a Minari id or a path, or a list of several with the same observations and actions; null only where demonstrations
    # are generated. Try: `spirl inspect` on it first
    dataset: str | tuple[str, ...] | None = None
    # settings of demonstrations that a domain makes itself; which key, and of which type, the domain says
    planner: SerializeAsAny[Section] | None = None
    blocks_planner: SerializeAsAny[Section] | None = None  # settings of the demonstrations of block stacking
    # settings of the kitchen's scripted demonstrations; null: their defaults
    scripted: SerializeAsAny[Section] | None = None
    episodes: PositiveInt | None = None  # at most so many episodes, from the start of each dataset; null: all
    # parts of the dataset's observation, the same numbers as in `env.observation`; null: as in the environment
    observation: Observation | None = None
    # a mask of a robomimic file, such as train, or a list with one for each of several datasets; null: all of them
    filter: str | tuple[str | None, ...] | None = None
    # low and high of the actions, for all dimensions or a list with one for each; null: those of the dataset's action
    # space. Try: the environment's bounds
    action_bounds: tuple[Bound, Bound] | None = None
    # what happens to episodes with NaN, infinity or wrong shapes: left out (skip), or their longest sound part is kept
    # (trim); null or refuse: they end the extraction
    bad_episodes: Annotated[Literal["skip", "trim"] | None, OrRefuse] = None
    # what happens to actions beyond their bounds: set to the bound (clip); null or refuse: they end the extraction.
    # Try: clip where the environment clips them too
    out_of_bounds: Annotated[Literal["clip"] | None, OrRefuse] = None
    # share of the episodes of each dataset kept to validate with; at least one episode
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    # episodes shorter than a window are left out (skip), or joined with the next one as in the authors' code
    # (docs/method.md#short-demonstrations-are-joined)
    short_episodes: Literal["skip", "join"] = "skip"
    # last start positions of every episode that are not used (docs/method.md#final-start-positions-are-never-drawn)
    unused_final_starts: NonNegativeInt = 0
    seed: NonNegativeInt | None = None  # seed of the split into training and validation; null: the recipe's

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of all datasets, none where demonstrations are generated."""
        return (self.dataset,) if isinstance(self.dataset, str) else self.dataset or ()

    @field_validator("dataset", mode="before")
    @classmethod
    def _one_of_a_list(cls, value: Any) -> Any:
        """Take a list of one dataset for that dataset, so that it has the same fingerprint."""
        return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value

    @model_validator(mode="after")
    def _fits_its_datasets(self) -> ExtractSection:
        if isinstance(self.dataset, tuple) and not self.dataset:
            raise ValueError("extract.dataset is an empty list. Name a Minari id or a path, or several")
        if isinstance(self.filter, tuple) and len(self.filter) != len(self.datasets):
            raise ValueError(
                f"extract.filter has {len(self.filter)} entries for {len(self.datasets)} datasets. Give one for each, "
                "null where a dataset has no masks"
            )
        return self

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
