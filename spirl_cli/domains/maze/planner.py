"""Demonstrations in random mazes: a shortest path on the grid, followed by PD control (docs/maze.md#demonstrations).

Every episode has a layout, a start and a goal of its own. The way-points are the centres of the path's
cells, each moved by a uniform jitter; action a = clip(gain·(w − x) − damping·v + noise, ±1) steers to
way-point w until it is within reach, then to the next one. The episode ends at the last way-point.
"""

from __future__ import annotations

import math

import numpy as np

from spirl_cli.domains.domain import GeneratedEpisode
from spirl_cli.domains.maze.layout import distances, generate_layout, shortest_path
from spirl_cli.domains.maze.physics import MazePhysics
from spirl_cli.domains.maze.section import MazePlanner

ACTIONS = 2
STATES = 4  # x, y, vx, vy


def plan_episode(planner: MazePlanner, seed: np.random.SeedSequence) -> GeneratedEpisode:
    """Draw a layout, then starts and goals until a trajectory has more than `min_steps` steps.

    Returns:
        states `(T+1, 4)`: x, y in cells, vx, vy in cells/s; actions `(T, 2)`; the layout as scene `(R, C)`.
    """
    for_layout, for_episode = seed.spawn(2)
    layout = generate_layout(for_layout, planner.size)
    rng = np.random.default_rng(for_episode)
    physics = MazePhysics(layout)
    while True:
        way_points = _way_points(layout, planner.jitter, rng)
        states, actions = _follow(physics, way_points, planner, rng)
        if len(actions) > planner.min_steps:
            return GeneratedEpisode(states, actions, layout)


def _way_points(layout: np.ndarray, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Return (x, y) of the jittered centres of a path's cells, float32 `(n, 2)`, n >= 2; the first is the start."""
    free = np.argwhere(~layout)  # (F, 2), row and column
    while True:
        start, goal = (tuple(cell) for cell in free[rng.integers(len(free), size=2)])
        away = distances(layout, goal)
        if away[start] > 0:  # start and goal differ and are connected
            break
    centres = shortest_path(away, start)[:, ::-1] + 0.5
    # float32 like stored states, so that the stored start and actions reproduce the episode
    return (centres + rng.uniform(-jitter, jitter, centres.shape)).astype(np.float32)


def _follow(
    physics: MazePhysics, way_points: np.ndarray, planner: MazePlanner, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Steer from the first way-point to the last; returns states `(T+1, 4)` and actions `(T, 2)`, float32."""
    gain, damping, reach = planner.gain, planner.damping, planner.reach
    states = np.empty((planner.max_steps + 1, STATES))
    actions = np.zeros((planner.max_steps, ACTIONS), np.float32)  # the applied action is the stored one
    noise = planner.action_noise * rng.standard_normal((planner.max_steps, ACTIONS))
    targets, disturbances = way_points.tolist(), noise.tolist()  # Python's floats are the fastest here
    physics.reset(way_points[0])
    states[0] = physics.state
    aim, step = 1, 0
    while aim < len(targets) and step < planner.max_steps:
        (target_x, target_y), (noise_x, noise_y) = targets[aim], disturbances[step]
        x, y, speed_x, speed_y = states[step].tolist()
        action = actions[step]
        action[0] = _clip(gain * (target_x - x) - damping * speed_x + noise_x)
        action[1] = _clip(gain * (target_y - y) - damping * speed_y + noise_y)
        physics.step(action)
        step += 1
        states[step] = physics.state
        aim += math.hypot(target_x - states[step, 0], target_y - states[step, 1]) < reach
    return states[: step + 1].astype(np.float32), actions[:step]


def _clip(value: float) -> float:
    return min(max(value, -1.0), 1.0)
