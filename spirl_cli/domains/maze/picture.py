"""Pictures of a whole maze for people: walls, start, goal, paths and the agent, in plain NumPy.

Pictures are uint8 `(height, width, 3)` with `scale` pixels per cell, rows along y. `draw_layout` makes a picture; the
`add_` functions draw on it in place. Points are (x, y) in cells.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.maze.layout import Layout
from spirl_cli.domains.maze.task import MazeTask, centre

Picture: TypeAlias = npt.NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]

SCALE = 16  # pixels per cell; sides that are multiples of 16 suit video codecs
WALL: Colour = (52, 58, 70)
FLOOR: Colour = (244, 243, 239)
GRID: Colour = (232, 230, 224)  # lines between free cells
START: Colour = (60, 120, 216)
GOAL: Colour = (46, 160, 67)
PATH: Colour = (214, 110, 30)
AGENT: Colour = (200, 30, 45)
GOAL_OPACITY = 0.35
START_RADIUS = 0.3


def draw_layout(layout: Layout, scale: int = SCALE) -> Picture:
    """Draw walls and floor of a layout `(R, C)`, as (R · scale, C · scale, 3)."""
    walls = layout.repeat(scale, axis=0).repeat(scale, axis=1)
    picture = np.array([FLOOR, WALL], np.uint8)[walls.astype(int)]  # (H, W, 3)
    lines = ~walls
    lines[(np.arange(len(walls)) % scale != 0)[:, None] & (np.arange(walls.shape[1]) % scale != 0)] = False
    picture[lines] = GRID
    return picture


def draw_task(task: MazeTask, goal_radius: float, scale: int = SCALE) -> Picture:
    """Draw a maze with its start and the region of reward."""
    picture = draw_layout(task.layout, scale)
    add_disc(picture, centre(task.goal), goal_radius, GOAL, opacity=GOAL_OPACITY, scale=scale)
    add_disc(picture, centre(task.goal), START_RADIUS, GOAL, scale=scale)
    add_disc(picture, centre(task.start), START_RADIUS, START, scale=scale)
    return picture


def add_disc(
    picture: Picture,
    centre: npt.ArrayLike,
    radius: float,
    colour: Colour,
    *,
    opacity: float = 1.0,
    scale: int = SCALE,
) -> None:
    """Draw a disc with smooth edges around a point, with a radius in cells."""
    x, y = np.asarray(centre, float) * scale
    reach = radius * scale + 1
    height, width = picture.shape[:2]
    top, bottom = max(int(y - reach), 0), min(int(y + reach) + 1, height)
    left, right = max(int(x - reach), 0), min(int(x + reach) + 1, width)
    distance = np.hypot(np.arange(top, bottom)[:, None] + 0.5 - y, np.arange(left, right) + 0.5 - x)
    cover = opacity * np.clip(radius * scale + 0.5 - distance, 0.0, 1.0)[..., None]
    region = picture[top:bottom, left:right]
    region[:] = np.rint(region + cover * (np.array(colour) - region))


def add_path(
    picture: Picture,
    points: npt.ArrayLike,
    colour: Colour = PATH,
    *,
    thickness: int = 2,
    scale: int = SCALE,
) -> None:
    """Draw a line through points `(n, 2)`, `thickness` pixels wide."""
    corners = np.asarray(points, float).reshape(-1, 2) * scale
    if len(corners) == 0:
        return
    lengths = np.abs(np.diff(corners, axis=0)).max(axis=1)  # (n - 1,) in pixels
    along = np.concatenate(([0.0], np.cumsum(lengths)))
    at = np.append(np.arange(0.0, along[-1], 0.5), along[-1])  # two samples per pixel leave no gaps
    columns = np.interp(at, along, corners[:, 0])
    rows = np.interp(at, along, corners[:, 1])
    offsets = np.arange(thickness) - (thickness - 1) / 2
    row = np.clip((rows[:, None, None] + offsets[:, None]).astype(int), 0, picture.shape[0] - 1)
    column = np.clip((columns[:, None, None] + offsets).astype(int), 0, picture.shape[1] - 1)
    picture[row, column] = colour
