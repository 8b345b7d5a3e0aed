"""A point mass in a maze, simulated by MuJoCo (docs/maze.md#physics)."""

from __future__ import annotations

from typing import TypeAlias

import mujoco
import numpy as np
import numpy.typing as npt

from spirl_cli.domains.maze.layout import Layout

RADIUS = 0.1  # of the sphere, in cells
DENSITY = 1000.0
DAMPING = 1.0
GEAR = 100.0  # force for an action of 1
TIME_STEP = 0.01  # seconds; one step of the simulator per action
MAX_SPEED = 5.0  # per axis, in cells per second
# Contacts as in gymnasium-robotics' point mass: without friction, and active a little before bodies touch.
MARGIN = 0.002
SOLVER_ITERATIONS = 20
# The end of a wall lies this far under the face of a crossing wall, so that the sphere does not feel the end. It is
# more than the sphere sinks in, at most one step of motion, and small enough to leave no hole between two walls that
# meet at their corners.
RECESS = 0.06

Coordinates: TypeAlias = npt.NDArray[np.floating | np.integer]


class MazePhysics:
    """Simulates a point mass that is moved by forces.

    Args:
        layout: the maze `(rows, columns)`; its border is wall.
    """

    def __init__(self, layout: Layout) -> None:
        self._model = _build(layout)
        self._data = mujoco.MjData(self._model)
        # views of the simulator's own memory; looking them up each time would cost as much as a step
        self._position, self._velocity, self._control = self._data.qpos, self._data.qvel, self._data.ctrl

    def reset(self, position: npt.ArrayLike, velocity: npt.ArrayLike = (0.0, 0.0)) -> None:
        """Put the mass at a position `(2,)` in cells with a velocity `(2,)` in cells per second."""
        mujoco.mj_resetData(self._model, self._data)
        self._position[:] = position
        self._velocity[:] = velocity

    def step(self, action: npt.NDArray[np.floating]) -> None:
        """Push for 0.01 s with the forces 100 · `action` `(2,)`, clipped to [-1, 1]."""
        velocity = self._velocity
        np.clip(velocity, -MAX_SPEED, MAX_SPEED, out=velocity)
        self._control[:] = action  # clipped by the motors
        mujoco.mj_step(self._model, self._data)

    @property
    def state(self) -> npt.NDArray[np.float64]:
        """x, y, vx, vy `(4,)`."""
        return np.concatenate((self._position, self._velocity))


def _build(layout: Layout) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.option.timestep = TIME_STEP
    spec.option.gravity = (0.0, 0.0, 0.0)
    spec.option.iterations = SOLVER_ITERATIONS
    spec.default.geom.condim = 1
    spec.default.geom.margin = MARGIN
    spec.default.geom.density = DENSITY
    for left, top, right, bottom in wall_boxes(layout).tolist():
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=((left + right) / 2, (top + bottom) / 2, 0.0),
            size=((right - left) / 2, (bottom - top) / 2, 0.5),
        )
    body = spec.worldbody.add_body()
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=(RADIUS, 0.0, 0.0))
    for name, axis in (("x", (1.0, 0.0, 0.0)), ("y", (0.0, 1.0, 0.0))):
        body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis, damping=DAMPING)
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.set_to_motor()
        motor.gear[0] = GEAR
        motor.ctrlrange, motor.ctrllimited = (-1.0, 1.0), mujoco.mjtLimited.mjLIMITED_TRUE
    return spec.compile()


def wall_boxes(layout: Layout) -> npt.NDArray[np.float64]:
    """Cover the walls that can be touched with boxes, without seams in flat walls.

    The sphere would feel the edges between two boxes that meet in a flat wall. So every longest run of wall cells along
    a row or a column becomes one box, which alone forms the flat faces along it. If two runs cross, each ends a little
    under the other's face.

    Returns:
        Boxes `(n, 4)`: left, top, right, bottom, in cells.
    """
    row, first, last = _runs(layout, pillars=True)
    along_rows = np.stack((first, row, last, row + 1), axis=1)
    column, first, last = _runs(layout.T, pillars=False)
    along_columns = np.stack((column, first, column + 1, last), axis=1)
    return np.concatenate((along_rows, along_columns))


def _runs(walls: Layout, pillars: bool) -> tuple[Coordinates, Coordinates, Coordinates]:
    """Return row, beginning and end, `(n,)` each, of the runs of wall cells along rows that can be touched.

    Args:
        walls: the layout, or its transpose for runs along columns.
        pillars: whether a lone wall cell counts as a run; any other run of one cell is part of a run across.
    """
    padded = np.pad(walls, 1)
    above, below = padded[:-2, 1:-1], padded[2:, 1:-1]
    crossed = above | below
    edges = np.diff(padded[1:-1].astype(np.int8), axis=1)
    row, first = np.nonzero(edges == 1)
    last = np.nonzero(edges == -1)[1]
    exposed = ~(above & below)
    exposed[0], exposed[-1] = ~walls[1], ~walls[-2]  # nothing touches the maze from outside
    faces = np.pad(exposed.cumsum(axis=1), ((0, 0), (1, 0)))  # exposed cells before each column
    kept = faces[row, last] > faces[row, first]
    kept &= (last - first > 1) | (pillars & ~crossed[row, first])
    row, first, last = row[kept], first[kept], last[kept]
    return row, first + RECESS * crossed[row, first], last - RECESS * crossed[row, last - 1]
