"""The maze's settings in a recipe: `env` and `extract.planner`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from spirl_cli.domains.drawn import STATE_AND_IMAGE, DrawnSection
from spirl_cli.domains.section import PlannerKey
from spirl_cli.errors import UsageError
from spirl_cli.files import expanded
from spirl_cli.settings import ObservationPart, Section

Cell = tuple[NonNegativeInt, NonNegativeInt]  # row and column, the border counted
MOST_CHARACTERS = 100_000  # of a layout; the largest has 202 rows of 202


class MazePlanner(Section):
    """Demonstrations in random mazes: shortest path, PD control (`spirl_cli/domains/maze/planner.py`)."""

    size: Annotated[int, Field(ge=8, le=200)] = 20  # cells along a side, without the border
    max_steps: PositiveInt = 500  # longest trajectory. Unit: environment steps
    min_steps: PositiveInt = 20  # shorter trajectories are drawn again. Unit: environment steps
    # largest offset of a way-point from its cell's centre. Unit: cells
    jitter: Annotated[float, Field(ge=0, le=0.4)] = 0.2
    reach: PositiveFloat = 0.1  # distance at which a way-point counts as reached. Unit: cells
    gain: PositiveFloat = 10.0  # action for each cell of distance from the way-point
    damping: NonNegativeFloat = 1.0  # action against the speed
    action_noise: NonNegativeFloat = 0.0  # standard deviation of noise on actions, added before clipping


class MazeSection(DrawnSection):
    """A point mass in a maze, seen from above; an episode is a success once it comes near the goal.

    If `layout` is null, it is generated from `layout_seed`. If `start` and `goal` are null, they are the first
    pair of cells, in a shuffle seeded with `layout_seed`, that has a shortest path of `path_length` cells and a
    Manhattan distance of at most `max_manhattan`.
    """

    known_units: ClassVar[bool] = True
    file_keys: ClassVar[tuple[str, ...]] = ("layout",)
    planner: ClassVar[PlannerKey | None] = PlannerKey("planner", "planner", MazePlanner)
    has_scenes: ClassVar[bool] = True  # images need the maze's layout

    kind: Literal["maze"]  # the domain
    size: Annotated[int, Field(ge=8, le=200)] = 40  # cells along a side, without the border
    layout_seed: NonNegativeInt = 0  # seed of a generated layout, and of its start and goal
    layout: str | None = None  # rows of '#' and '.'; in a recipe the path of a file that holds them; null: generated
    start: Cell | None = None  # cell of the start, as row and column with the border counted; null: drawn
    goal: Cell | None = None  # cell of the goal; null: drawn
    path_length: PositiveInt = 34  # length of the shortest path between a drawn start and goal. Unit: cells
    max_manhattan: PositiveInt = 26  # largest Manhattan distance between a drawn start and goal. Unit: cells
    goal_radius: PositiveFloat = 2.0  # distance from the goal that is success. Unit: cells
    episode_length: PositiveInt = 2000  # steps after which an episode is cut. Unit: environment steps
    frames: PositiveInt = 2  # images stacked along the channels of the observation, the oldest first
    # parts of the observation that networks see, joined in this order; the image comes last
    observation: tuple[ObservationPart, ...] = STATE_AND_IMAGE
    order: None = None  # always null; fingerprints of agents and evaluations hold this key
    noise: None = None  # always null; fingerprints of agents and evaluations hold this key

    @model_validator(mode="after")
    def _both_ends(self) -> MazeSection:
        if (self.start is None) != (self.goal is None):
            raise ValueError("env.start and env.goal are given together, or neither")
        return self

    def with_files(self, folder: Path) -> Self:
        """Return the section with the file's name in `layout` replaced by the rows of the layout.

        Raises:
            UsageError: the file cannot be read.
        """
        if self.layout is None:
            return self
        return self.model_copy(update={"layout": read_layout(self.layout, folder)})


def read_layout(layout: str, folder: Path) -> str:
    """Return the rows of a layout; a file's name is relative to the current or the recipe's folder.

    Raises:
        UsageError: there is no such file, or it is not text.
    """
    if "\n" in layout:
        return layout
    path = next((path for path in (expanded(layout), folder / layout) if os.path.isfile(path)), None)
    if path is None:
        raise UsageError(f"env.layout: there is no file '{layout}'", "name a text file of rows of '#' (wall) and '.'")
    try:
        with path.open(encoding="utf-8") as file:
            rows = file.read(MOST_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"env.layout: '{path}' cannot be read: {error}") from error
    if len(rows) > MOST_CHARACTERS:
        raise UsageError(f"env.layout: '{path}' is no layout: it has more than {MOST_CHARACTERS:,} characters")
    return rows
