"""Paths of policies in a maze: many episodes drawn over its layout (the paper's exploration figure)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spirl_cli.domains.domain import Replayed
from spirl_cli.domains.maze.section import MazeSection
from spirl_cli.domains.maze.task import MazeTask, centre, maze_task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PATHS = 20  # episodes per policy
WALL, START, GOAL = "#3c4657", "#1b7837", "#d1495b"


def draw_paths(file: Path, section: MazeSection, panels: Sequence[Replayed]) -> None:
    """Write a PNG with one panel per policy: layout, start, goal with its radius, and the paths.

    Args:
        file: the file to write.
        section: the recipe's environment.
        panels: the policies; their episodes are positions `(T+1, 2)` in cells.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    task = maze_task(section)
    figure = Figure(figsize=(4.6 * len(panels), 5.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        _draw_panel(axes, task, section.goal_radius, panel)
    figure.savefig(file)


def visited_cells(paths: Sequence[np.ndarray]) -> float:
    """Return the mean number of distinct cells that a path `(T+1, 2)` visits."""
    return float(np.mean([len(np.unique(path.astype(int), axis=0)) for path in paths]))


def _draw_panel(axes: Axes, task: MazeTask, goal_radius: float, panel: Replayed) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Circle

    rows, columns = task.layout.shape
    axes.imshow(task.layout, cmap=ListedColormap(["white", WALL]), extent=(0, columns, rows, 0))
    for index, path in enumerate(panel.episodes):
        color = colormaps["viridis"](index / len(panel.episodes))
        axes.plot(path[:, 0], path[:, 1], color=color, linewidth=0.8, alpha=0.8)
    axes.plot(*centre(task.start), "o", color=START, markersize=5)
    x, y = centre(task.goal)
    axes.plot(x, y, "o", color=GOAL, markersize=5)
    axes.add_patch(Circle((x, y), goal_radius, fill=False, color=GOAL, linewidth=1.5))
    axes.set_title(f"{panel.title}: {visited_cells(panel.episodes):.0f} cells per episode", fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
