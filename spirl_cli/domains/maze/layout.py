"""Maze layouts: random generation, text form, shortest paths, and the choice of start and goal.

A layout is a bool array `(rows, columns)`, True where a cell is wall; the outermost cells are always
wall. Cells are (row, column), the border counted. In the plane, cell (row, column) covers x in
[column, column + 1) and y in [row, row + 1).
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from spirl_cli.errors import UsageError

Layout: TypeAlias = npt.NDArray[np.bool_]
Cell: TypeAlias = tuple[int, int]
Seed: TypeAlias = int | np.random.SeedSequence | np.random.Generator

WALL_FRACTION = 0.25
SHORTEST_WALL, LONGEST_WALL = 0.3, 0.5  # as shares of the maze's size
BOX_WIDTH = 5  # cells across a wall that count as its surroundings
CROWDING = 20.0  # how strongly new walls avoid occupied places
NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def generate_layout(seed: Seed, size: int) -> Layout:
    """Draw a maze of straight walls with one door each (docs/maze.md#layouts).

    Walls are added until a quarter of the cells is wall. Seed 0 and size 40 give the maze of the
    paper's experiments.

    Args:
        seed: seed of the random generator, or the generator itself.
        size: cells along a side, without the border; at least 8.

    Returns:
        Layout (size + 2, size + 2).
    """
    random = np.random.default_rng(seed)
    walls = np.zeros((size, size), dtype=bool)
    while walls.mean() < WALL_FRACTION:
        _add_wall(random, walls)
    return np.pad(walls, 1, constant_values=True)


def _add_wall(random: np.random.Generator, walls: Layout) -> None:
    """Add one wall in place. The order of the draws is part of what a seed means."""
    size = len(walls)
    vertical = random.random() < 0.5
    length = int(max((LONGEST_WALL - SHORTEST_WALL) * size * random.random() + SHORTEST_WALL * size, 3))
    door = int(random.integers(1, length - 1))
    along = walls.T if vertical else walls  # transposed if needed, so that the wall runs along a row
    row, column = _draw_place(random, along, length, vertical)
    along[row, column : column + length] = True
    along[row, column + door] = False  # a door opens older walls too
    jamb = column + door
    along[row - 1 : row + 2 : 2, jamb - 1 : jamb + 2 : 2] = True


def _draw_place(random: np.random.Generator, along: Layout, length: int, vertical: bool) -> Cell:
    """Draw the first cell of a wall, with probability ∝ exp(-20 · how full the box around it is)."""
    sums = np.zeros((len(along) + 1, len(along) + 1), dtype=np.int64)
    sums[1:, 1:] = along.cumsum(axis=0).cumsum(axis=1)  # number of wall cells above and to the left
    strips = sums[BOX_WIDTH:] - sums[:-BOX_WIDTH]
    occupied = strips[:, length:] - strips[:, :-length]  # (size - 4, size - length + 1)
    weights = np.exp(-CROWDING * (occupied / (BOX_WIDTH * length)))
    # Places are numbered row by row of the maze, in whichever direction the wall runs.
    places = weights.T if vertical else weights
    flat = places.ravel()
    chosen = np.unravel_index(random.choice(flat.size, p=flat / flat.sum()), places.shape)
    row, column = (int(index) for index in (reversed(chosen) if vertical else chosen))
    return row + BOX_WIDTH // 2, column


def parse_layout(text: str) -> Layout:
    """Read a layout from rows of `#` (wall) and `.` or space (free).

    Raises:
        UsageError: the rows differ in length, hold other characters, have no free cell, or leave
            the border open.
    """
    rows = text.strip("\r\n").splitlines()
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise _refused(f"row {number} has {len(row)} cells, row 1 has {len(rows[0])}")
        for column, character in enumerate(row, start=1):
            if character not in "#. ":
                raise _refused(f"row {number}, column {column} is {character!r}")
    layout = np.array([[character == "#" for character in row] for row in rows], dtype=bool)
    if layout.all():
        raise _refused("it has no free cell")
    _require_border(layout)
    return layout


def _require_border(layout: Layout) -> None:
    inside = np.zeros_like(layout)
    inside[1:-1, 1:-1] = True
    open_cells = np.argwhere(~layout & ~inside)
    if len(open_cells):
        row, column = open_cells[0] + 1
        raise _refused(f"the border is open at row {row}, column {column}")


def _refused(problem: str) -> UsageError:
    return UsageError(
        f"the maze layout cannot be used: {problem}",
        "write rows of equal length of '#' (wall) and '.' (free), with walls all around",
    )


def format_layout(layout: Layout) -> str:
    """Return the text form, rows of `#` and `.`, that `parse_layout` reads."""
    return "".join("".join("#" if wall else "." for wall in row) + "\n" for row in layout)


def distances(layout: Layout, target: Cell) -> npt.NDArray[np.int32]:
    """Return the length of the shortest path from every cell to `target`, by breadth-first search.

    Steps go to the four neighbours.

    Returns:
        int32 `(rows, columns)`; -1 where there is no path, walls included.

    Raises:
        ValueError: the target is a wall.
    """
    if layout[target]:
        raise ValueError(f"cell {target} is a wall")
    columns = layout.shape[1]
    walls = layout.ravel().tolist()  # lists: single elements of arrays are slow
    first = target[0] * columns + target[1]
    found = [-1] * len(walls)
    found[first] = 0
    queue = deque([first])
    steps = (columns, -columns, 1, -1)  # in range, since the border is wall
    while queue:
        cell = queue.popleft()
        distance = found[cell] + 1
        for step in steps:
            neighbour = cell + step
            if found[neighbour] < 0 and not walls[neighbour]:
                found[neighbour] = distance
                queue.append(neighbour)
    return np.array(found, dtype=np.int32).reshape(layout.shape)


def shortest_path(distances: npt.NDArray[np.int32], start: Cell) -> npt.NDArray[np.int64]:
    """Follow falling distances from `start` to the target of `distances`.

    Returns:
        Cells `(n, 2)` from start to target, both included; the choice among equally short paths is fixed.

    Raises:
        ValueError: there is no path.
    """
    left = int(distances[start])
    if left < 0:
        raise ValueError(f"no path from cell {start}")
    cells = [start]
    for distance in range(left - 1, -1, -1):
        row, column = cells[-1]
        around = ((row + down, column + right) for down, right in NEIGHBOURS)
        cells.append(next(cell for cell in around if distances[cell] == distance))
    return np.array(cells, dtype=np.int64)


def choose_endpoints(layout: Layout, path_length: int, max_manhattan: int, seed: Seed) -> tuple[Cell, Cell]:
    """Return start and goal: the first fitting pair of free cells in a seeded shuffle.

    Start cells are tried in random order. For the first one that has fitting goal cells, one of these is drawn.

    Args:
        layout: the maze.
        path_length: exact length of the shortest path between them.
        max_manhattan: largest sum of the cells' distances along rows and columns.
        seed: seed of the shuffle.

    Raises:
        UsageError: no pair fits.
    """
    random = np.random.default_rng(seed)
    rows, columns = np.indices(layout.shape)
    free = np.argwhere(~layout)
    for row, column in random.permutation(free).tolist() if path_length < len(free) else []:
        near = np.abs(rows - row) + np.abs(columns - column) <= max_manhattan
        goals = np.argwhere(near & (distances(layout, (row, column)) == path_length))
        if len(goals):
            goal_row, goal_column = goals[random.integers(len(goals))].tolist()
            return (row, column), (goal_row, goal_column)
    raise UsageError(
        f"the maze has no two cells with a shortest path of {path_length} and a Manhattan distance of at "
        f"most {max_manhattan}",
        "set a shorter env.path_length, a larger env.max_manhattan, or env.start and env.goal",
    )
