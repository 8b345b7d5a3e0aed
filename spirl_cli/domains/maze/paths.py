"""Where policies go in a maze: many episodes drawn over its layout (the paper's exploration figure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.maze.task import MazeTask, centre, maze_task
from spirl_cli.domains.sections import MazeSection
from spirl_cli.envs.make import make_env
from spirl_cli.envs.replayable import ReplayableEnv
from spirl_cli.envs.skill_env import SkillDecoder, SkillEnv
from spirl_cli.evaluation.rollouts import RolloutSettings, play
from spirl_cli.evaluation.seeds import environment_seed, episode_generator
from spirl_cli.inference.policies import SkillPolicy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PATHS = 20  # episodes that are drawn
WALL, START, GOAL = "#3c4657", "#1b7837", "#d1495b"


@dataclass(frozen=True)
class PathsPanel:
    """One picture: its title and the positions (T+1, 2) of every episode, in cells."""

    title: str
    paths: Sequence[np.ndarray]

    @property
    def cells(self) -> float:
        """Mean number of distinct cells that an episode visits."""
        return float(np.mean([len(np.unique(path.astype(int), axis=0)) for path in self.paths]))


class _Traced(gym.Wrapper[Any, Any, Any, Any]):
    """Notes the position at every step; (x, y) come first in the observation."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.positions: list[np.ndarray] = []

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(**options)
        self.positions = [observation[:2].copy()]
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, *rest = self.env.step(action)
        self.positions.append(observation[:2].copy())
        return (observation, *rest)


def trace_paths(
    section: MazeSection,
    decoder: SkillDecoder,
    policy: SkillPolicy,
    settings: RolloutSettings,
    stop: Callable[[], bool] = lambda: False,
) -> list[np.ndarray]:
    """Play the first episodes of a rollout once more and return their positions (T+1, 2).

    Raises:
        Interrupted: `stop` said True.
    """
    traced = _Traced(make_env(section))
    numbered = ReplayableEnv(traced, environment_seed(settings.seed))
    skills = SkillEnv(numbered, decoder)
    paths = []
    for episode in range(min(PATHS, settings.episodes)):
        play(skills, policy, episode_generator(settings.seed, episode), stop=stop)
        paths.append(np.array(traced.positions))
    skills.close()
    return paths


def draw_paths(file: Path, section: MazeSection, panels: Sequence[PathsPanel]) -> None:
    """Write a PNG with one panel per policy: layout, start, goal with its radius, and the paths."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    task = maze_task(section)
    figure = Figure(figsize=(4.6 * len(panels), 5.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        _draw_panel(axes, task, section.goal_radius, panel)
    figure.savefig(file)


def _draw_panel(axes: Axes, task: MazeTask, goal_radius: float, panel: PathsPanel) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Circle

    rows, columns = task.layout.shape
    axes.imshow(task.layout, cmap=ListedColormap(["white", WALL]), extent=(0, columns, rows, 0))
    for index, path in enumerate(panel.paths):
        color = colormaps["viridis"](index / len(panel.paths))
        axes.plot(path[:, 0], path[:, 1], color=color, linewidth=0.8, alpha=0.8)
    axes.plot(*centre(task.start), "o", color=START, markersize=5)
    x, y = centre(task.goal)
    axes.plot(x, y, "o", color=GOAL, markersize=5)
    axes.add_patch(Circle((x, y), goal_radius, fill=False, color=GOAL, linewidth=1.5))
    axes.set_title(f"{panel.title}: {panel.cells:.0f} cells per episode", fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
