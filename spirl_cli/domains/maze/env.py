"""The environment of the maze: a point mass that sees its surroundings; a sparse reward near the goal."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from spirl_cli.domains.drawn import FrameStack
from spirl_cli.domains.maze import image, picture
from spirl_cli.domains.maze.physics import TIME_STEP, MazePhysics
from spirl_cli.domains.maze.section import MazeSection
from spirl_cli.domains.maze.task import centre, maze_task

START_JITTER = 0.1  # largest offset from the centre of the start cell, along each axis
AGENT_RADIUS = 0.3  # of the agent in pictures for people; larger than in the physics, to be visible

Observation = dict[str, npt.NDArray[Any]]


class MazeEnv(gym.Env[Observation, npt.NDArray[np.floating]]):
    """The maze of a recipe (docs/maze.md#task).

    The observation is a dictionary: `state` `(4,)` float32, x, y, vx, vy in cells and cells per
    second, and `image` (32, 32, 3 · frames) uint8: the last views (`spirl_cli.domains.maze.image`), the oldest first.
    At the first step all views are equal. The image is missing if the recipe does not select it. Actions are forces in
    [-1, 1] along x and y, one for every 0.01 s.

    The reward is 1 at every step that ends within `goal_radius` of the centre of the goal cell, else
    0. Episodes are truncated after `episode_length` steps and never terminate. They start at rest,
    near the centre of the start cell.

    `info["metrics"]`: `success` is 1.0 once the goal was reached; `cells` is the number of different cells
    visited; `distance` is the length in cells of the shortest path to the goal from the nearest cell visited.

    Args:
        section: the recipe's environment.
        render_mode: None or `rgb_array`: the whole maze with the path so far.

    Raises:
        UsageError: as `maze_task` and `MazeSection.image_shape`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / TIME_STEP)}  # noqa: RUF012  # gymnasium declares it so

    def __init__(self, section: MazeSection, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.task = maze_task(section)
        self._physics = MazePhysics(self.task.layout)
        self._goal: list[float] = centre(self.task.goal).tolist()
        self._goal_radius = section.goal_radius
        self._episode_length = section.episode_length
        self._sees = section.image_shape is not None
        self._views = FrameStack(section.frames)
        self._visited: set[tuple[int, int]] = set()
        self._success = False
        self._nearest = self._elapsed = 0
        self._path: list[npt.NDArray[np.float32]] = []  # positions that are not on the canvas yet
        self._canvas: picture.Picture | None = None  # the maze and the older path
        self.observation_space = _observation_space(section)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; the seed decides the position in the start cell."""
        super().reset(seed=seed)
        jitter = self.np_random.uniform(-START_JITTER, START_JITTER, 2)
        self._physics.reset(centre(self.task.start) + jitter)
        self._visited.clear()
        self._success = False
        self._nearest, self._elapsed = int(self.task.distances[self.task.start]), 0
        self._path, self._canvas = [], None
        self._views.clear()
        state = self._physics.state.astype(np.float32)
        self._arrive(state)
        return self._observe(state), {"metrics": self._metrics()}

    def step(self, action: npt.NDArray[np.floating]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Push with the forces `action` `(2,)` for 0.01 s."""
        self._physics.step(action)
        self._elapsed += 1
        state = self._physics.state.astype(np.float32)
        reward = float(self._arrive(state))
        truncated = self._elapsed >= self._episode_length
        return self._observe(state), reward, False, truncated, {"metrics": self._metrics()}

    def render(self) -> Any:
        """Draw the whole maze with the path so far, uint8 `(height, width, 3)`."""
        if self._canvas is None:
            self._canvas = picture.draw_task(self.task, self._goal_radius)
        picture.add_path(self._canvas, self._path)
        self._path = self._path[-1:]
        frame = self._canvas.copy()
        picture.add_disc(frame, self._path[-1], AGENT_RADIUS, picture.AGENT)
        return frame

    def _arrive(self, state: npt.NDArray[np.float32]) -> bool:
        """Update metrics and path with the new state `(4,)`; return whether it is near the goal."""
        x, y = state[:2].tolist()
        cell = (int(y), int(x))
        if cell not in self._visited:
            self._visited.add(cell)
            self._nearest = min(self._nearest, int(self.task.distances[cell]))
        near = math.dist((x, y), self._goal) <= self._goal_radius
        self._success = self._success or near
        if self.render_mode is not None:
            self._path.append(state[:2])
        return near

    def _observe(self, state: npt.NDArray[np.float32]) -> Observation:
        if not self._sees:
            return {"state": state}
        view = image.draw(self.task.layout, state[None, :2])[0]
        return {"state": state, "image": self._views.push(view)}

    def _metrics(self) -> dict[str, float]:
        return {
            "success": float(self._success),
            "cells": float(len(self._visited)),
            "distance": float(self._nearest),
        }


def _observation_space(section: MazeSection) -> gym.Space[Any]:
    spaces: dict[str, gym.Space[Any]] = {"state": gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)}
    shape = section.image_shape
    if shape is not None:
        spaces["image"] = gym.spaces.Box(0, 255, shape, np.uint8)
    return gym.spaces.Dict(spaces)
