"""The maze of a recipe: its layout, start and goal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.maze.layout import Cell, Layout, choose_endpoints, distances, generate_layout, parse_layout
from spirl_cli.domains.maze.section import MazeSection
from spirl_cli.errors import UsageError


@dataclass(frozen=True)
class MazeTask:
    """A maze with a start and a goal.

    Attributes:
        layout: bool `(rows, columns)`, True where wall.
        start, goal: cells (row, column).
        distances: int32 `(rows, columns)`, length of the shortest path to the goal; -1 without a path.
    """

    layout: Layout
    start: Cell
    goal: Cell
    distances: npt.NDArray[np.int32]


def maze_task(section: MazeSection) -> MazeTask:
    """Return the task of a recipe; missing layout, start and goal follow from its seed.

    Raises:
        UsageError: the layout cannot be used; start or goal is not a free cell; no path joins them; or no cells fit the
            recipe's lengths.
    """
    text, seed = section.layout, section.layout_seed
    layout = generate_layout(seed, section.size) if text is None else parse_layout(text)
    if section.start is None or section.goal is None:
        start, goal = choose_endpoints(layout, section.path_length, section.max_manhattan, seed)
    else:
        start, goal = section.start, section.goal
    for name, cell in (("start", start), ("goal", goal)):
        _require_free(layout, name, cell)
    to_goal = distances(layout, goal)
    if to_goal[start] < 0:
        raise UsageError(f"no path in the maze joins env.start {list(start)} and env.goal {list(goal)}")
    return MazeTask(layout, start, goal, to_goal)


def centre(cell: Cell) -> npt.NDArray[np.float64]:
    """Return x and y `(2,)` of the centre of a cell."""
    return np.array([cell[1] + 0.5, cell[0] + 0.5])


def _require_free(layout: Layout, name: str, cell: Cell) -> None:
    rows, columns = layout.shape
    inside = cell[0] < rows and cell[1] < columns
    if inside and not layout[cell]:
        return
    where = "a wall" if inside else f"outside of the maze of {rows} × {columns} cells"
    raise UsageError(
        f"env.{name}: row {cell[0]}, column {cell[1]} is {where}",
        "name a free cell as [row, column], counted from 0 and from the border",
    )
