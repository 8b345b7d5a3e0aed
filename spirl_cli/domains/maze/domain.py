"""What spirl knows of the maze."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.domain import (
    SPIRL_WARMUP_STEPS,
    Domain,
    Figure,
    GeneratedEpisode,
    Generator,
    Images,
    Metric,
    Published,
    PublishedCurve,
    Replay,
    Setting,
    Wanted,
    planned,
)
from spirl_cli.domains.maze.section import MazePlanner, MazeSection
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import UsageError
from spirl_cli.observation import select

if TYPE_CHECKING:
    import gymnasium as gym

PLANNER_VERSION = 1  # to be raised when equal settings give different demonstrations than before
ACTIONS = 2
# Read off the paper's figures, ± 0.05.
CURVES = (
    PublishedCurve("SPiRL", ((230e3, 0.31), (440e3, 0.62), (650e3, 0.90), (1.4e6, 0.98)), SPIRL_WARMUP_STEPS),
    PublishedCurve("every baseline", ((1.4e6, 0.0),), SPIRL_WARMUP_STEPS),
)
NOTE = (
    "Dashed line and grey mark: published, read off ± 0.05 from curves of training episodes in the layout of seed 0.\n"
    "The 50,000 warm-up steps that they leave off the axis are added."
)


class MazeDomain(Domain):
    """A point mass that looks for a goal in a maze."""

    section = MazeSection

    def metrics(self, section: EnvSection) -> tuple[Metric, ...]:
        """Return whether the goal was reached."""
        return (Metric("success", "success rate", 1.0),)

    def make(self, section: EnvSection, render_mode: str | None) -> gym.Env[Any, Any]:
        """Make the maze of a recipe."""
        from spirl_cli.domains.maze.env import MazeEnv  # needs MuJoCo

        return MazeEnv(_typed(section), render_mode)

    def demonstrations(self, wanted: Wanted) -> Generator:
        """Return the planner, which draws a new maze for every episode.

        Raises:
            UsageError: the selected observation does not begin with the position.
        """
        planner = wanted.settings
        assert isinstance(planner, MazePlanner), "checked with the recipe"
        if select({"state": np.arange(4.0)}, wanted.observation)[:2].tolist() != [0.0, 1.0]:
            raise UsageError(
                "extract.observation must begin with the position, from which images are drawn",
                "for example [{key: state}], or [{key: state, indices: ['0:2']}]",
            )
        name = f"maze-{planner.size}x{planner.size}"
        return planned(name, _episode, wanted, version=PLANNER_VERSION, actions=ACTIONS)

    def draw(self, scenes: npt.NDArray[np.bool_] | None, states: np.ndarray) -> Images:
        """Draw the views of the agent; states `(B, D)` begin with the position, scenes are layouts `(B, R, C)`."""
        from spirl_cli.domains.maze import image

        assert scenes is not None, "images of a maze need its layout"
        return image.draw(scenes, states[:, :2])

    def setting(self, section: EnvSection) -> Setting:
        """Return layout and task; the paper's SPiRL has open-loop skills in the maze."""
        maze = _typed(section)
        layout = layout_name(maze)
        words = f"{layout}, goal radius {maze.goal_radius:g}"
        return Setting("maze", reward="sparse", layout=layout, words=words, open_loop_apart=False, success="ever")

    def published(self, section: EnvSection) -> Published:
        """Return the paper's curves, which hold for generated layouts of 40 × 40 cells."""
        maze = _typed(section)
        same = maze.layout is None and (maze.size, maze.path_length) == (40, 34)
        return Published(CURVES, NOTE) if same else Published()

    def figures(self, section: EnvSection, replay: Replay) -> Iterator[Figure]:
        """Yield the picture of the policies' paths (the paper's figure on exploration)."""
        from spirl_cli.domains.maze.paths import PATHS, draw_paths

        panels = list(replay(PATHS, lambda observation: observation[:2].copy()))
        yield Figure("paths.png", functools.partial(draw_paths, section=_typed(section), panels=panels))


def layout_name(maze: MazeSection) -> str:
    """Name a layout and the task in it, such as `40x40 seed 0, (10, 24) to (18, 8)`."""
    if maze.layout is not None:
        kind = f"own {hashlib.sha256(maze.layout.encode()).hexdigest()[:8]}"
    else:
        kind = f"{maze.size}x{maze.size} seed {maze.layout_seed}"
    return kind if maze.start is None else f"{kind}, {maze.start} to {maze.goal}"


def _typed(section: EnvSection) -> MazeSection:
    assert isinstance(section, MazeSection)
    return section


def _episode(planner: MazePlanner, seed: int, number: int) -> GeneratedEpisode:
    from spirl_cli.domains.maze.planner import plan_episode  # imports the simulator

    return plan_episode(planner, np.random.SeedSequence(seed, spawn_key=(number,)))
