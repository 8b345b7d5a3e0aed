"""A free-floating gripper and blocks on a table, simulated by MuJoCo in the plane x = 0 (docs/blocks.md#task).

All bodies slide along y and z, and blocks also turn about a hinge along x, so that nothing leaves the plane. Actions
are velocities of the gripper: 1 means 0.5 m/s, or 0.05 m per action.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np
import numpy.typing as npt

from spirl_cli.domains.blocks import geometry

CONTROL_SECONDS = 0.1  # 10 Hz
SUBSTEPS = 20
SPEED = 0.5  # m/s, for an action of 1
OPEN_ABOVE, CLOSE_BELOW = 0.5, -0.5
FRICTION = 1.0
BLOCK_MASS, PALM_MASS, FINGER_MASS = 0.1, 0.8, 0.1  # kg
DRIVE_GAIN, DRIVE_DAMPING, DRIVE_FORCE = 2000.0, 90.0, 20.0  # N/m, N·s/m (about critical) and N, along each axis
DRIVE_LEAD = 0.03  # m, the most that the drive's set-point gets ahead of a blocked gripper
FINGER_GAIN, FINGER_DAMPING, FINGER_FORCE = 300.0, 15.0, 20.0  # N/m, N·s/m and N
FINGER_TARGETS = (0.005, geometry.OPENING)  # m, for closing and opening; a held block keeps the fingers from theirs
GRIPPER_JOINTS = 4  # y, z, left and right finger: the first joints of the model
DEPTH = geometry.HALF  # half the size along x, the axis without motion

# Numbers in `BlocksPhysics.touching` of things that are no blocks, in the order in which the model is built.
TABLE, PALM, LEFT, RIGHT = -6, -3, -2, -1
_GEOMS_BEFORE_BLOCKS = 6

# Collision bits of the geoms. The gripper passes through the walls, which only keep blocks on the table, and its
# joints' limits keep it off the table, so neither contact needs to be computed.
_BLOCKS, _GRIPPER, _TABLE = 1, 2, 4


class BlocksPhysics:
    """State of the gripper and of n blocks, moved by actions.

    Attributes:
        state: the state `(8 + 3·n,)`, see `spirl_cli.domains.blocks.geometry`; a new array after every step.

    Args:
        blocks: n; table and walls are as long and high as they need to be.
    """

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.model = _build(blocks)
        self.data = mujoco.MjData(self.model)
        # views of the simulator's own memory; looking them up each time would take longer than using them
        self._position, self._velocity, self._control = self.data.qpos, self.data.qvel, self.data.ctrl
        self._goal = self.data.act  # set-point of the drives, y and z (2,)
        self._open = True
        self.state = self._read()

    def reset(self, gripper: npt.ArrayLike, places: npt.ArrayLike) -> None:
        """Put everything at its start, at rest and with open fingers; the blocks get 0.1 s to settle.

        Args:
            gripper: y and z `(2,)`.
            places: y, z and angle of the blocks `(n, 3)`.
        """
        mujoco.mj_resetData(self.model, self.data)
        self._open = True
        self._position[:2] = self._goal[:] = gripper
        self._position[2:GRIPPER_JOINTS] = geometry.OPENING
        self._position[GRIPPER_JOINTS:] = np.asarray(places).ravel()
        self._control[2:] = geometry.OPENING
        mujoco.mj_step(self.model, self.data, SUBSTEPS)
        self.state = self._read()

    def step(self, action: npt.NDArray[np.floating]) -> None:
        """Move for 0.1 s.

        Args:
            action: velocities along y and z in units of 0.5 m/s, clipped to [-1, 1]; the third opens
                the fingers above 0.5, closes them below -0.5, and keeps the last command between.
        """
        self.command(action)
        mujoco.mj_step(self.model, self.data, SUBSTEPS)
        self.state = self._read()

    def command(self, action: npt.NDArray[np.floating]) -> None:
        """Pass an action on to the actuators, without moving."""
        y, z, fingers = action.tolist()  # Python's floats are the fastest here
        if fingers > OPEN_ABOVE:
            self._open = True
        elif fingers < CLOSE_BELOW:
            self._open = False
        target = FINGER_TARGETS[self._open]
        self._control[:] = (SPEED * y, SPEED * z, target, target)  # velocities are clipped by the actuators
        goals = zip(self._goal.tolist(), self._position[:2].tolist(), strict=True)
        self._goal[:] = [min(max(goal, at - DRIVE_LEAD), at + DRIVE_LEAD) for goal, at in goals]

    @property
    def places(self) -> npt.NDArray[np.float64]:
        """y, z and angle of the blocks, `(n, 3)`, with angles in [-π/4, π/4); a part of the state."""
        return self.state[geometry.GRIPPER_NUMBERS :].reshape(-1, geometry.BLOCK_NUMBERS)

    @property
    def speeds(self) -> npt.NDArray[np.float64]:
        """Velocities of the blocks along y and z, m/s, and about x, rad/s, `(n, 3)`."""
        return self._velocity[GRIPPER_JOINTS:].reshape(-1, geometry.BLOCK_NUMBERS)

    def touching(self) -> set[tuple[int, int]]:
        """Return pairs of touching things, smaller number first: blocks 0 … n - 1, `TABLE`, `PALM`, `LEFT`, `RIGHT`."""
        geoms = self.data.contact.geom - _GEOMS_BEFORE_BLOCKS  # (contacts, 2), each pair sorted
        return set(zip(*geoms.T.tolist(), strict=True))

    def _read(self) -> npt.NDArray[np.float64]:
        """Return the simulator's present state."""
        state = np.empty(geometry.state_size(self.blocks))
        state[0:2], state[2:4] = self._position[0:2], self._velocity[0:2]
        state[4:6] = self._position[2:4]
        state[6] = 0.5 * (self._velocity[2] + self._velocity[3])
        state[7] = 1.0 if self._open else -1.0
        state[geometry.GRIPPER_NUMBERS :] = self._position[GRIPPER_JOINTS:]
        angles = state[geometry.GRIPPER_NUMBERS + 2 :: geometry.BLOCK_NUMBERS]
        angles[:] = geometry.wrap(angles)
        return state


def _build(blocks: int) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    option = spec.option
    option.timestep = CONTROL_SECONDS / SUBSTEPS
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC  # pyramidal friction cones make tall towers lean
    option.impratio = 100.0  # a held block must not slip slowly out of the fingers
    option.iterations = 20
    spec.default.geom.friction[0] = FRICTION
    spec.default.geom.condim = 3
    _add_surroundings(spec, blocks)
    _add_gripper(spec, blocks)
    for number in range(blocks):
        _add_block(spec, number)
    return spec.compile()


def _add_surroundings(spec: mujoco.MjSpec, blocks: int) -> None:
    half = geometry.half_length(blocks)
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    kinds = {"contype": _TABLE, "conaffinity": _BLOCKS}
    spec.worldbody.add_geom(name="table", type=plane, size=(1, 1, 1), **kinds)
    for side, name in ((-1, "left"), (1, "right")):
        inwards = (math.sqrt(0.5), side * math.sqrt(0.5), 0, 0)  # the plane's z axis along -side · y
        spec.worldbody.add_geom(
            name=f"wall {name}", type=plane, size=(1, 1, 1), pos=(0, side * half, 0), quat=inwards, condim=1, **kinds
        )


def _add_gripper(spec: mujoco.MjSpec, blocks: int) -> None:
    half, top = geometry.half_length(blocks), geometry.ceiling(blocks)
    palm = spec.worldbody.add_body(name="gripper", gravcomp=1)
    _add_slide(palm, "y", (0, 1, 0), (-half, half))
    _add_slide(palm, "z", (0, 0, 1), (geometry.LOWEST, top))
    kinds = {"contype": _GRIPPER, "conaffinity": _BLOCKS}
    palm.add_geom(
        name="palm",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=(0, 0, (geometry.PALM_BOTTOM + geometry.PALM_TOP) / 2),
        size=(DEPTH, geometry.PALM_HALF, (geometry.PALM_TOP - geometry.PALM_BOTTOM) / 2),
        mass=PALM_MASS,
        **kinds,
    )
    for side, name in ((-1, "left"), (1, "right")):
        finger = palm.add_body(name=name, gravcomp=1)
        _add_slide(finger, name, (0, side, 0), (0.0, geometry.OPENING))
        finger.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            size=(geometry.FINGER_RADIUS, geometry.FINGER_HALF, 0),
            pos=(0, side * geometry.FINGER_RADIUS, 0),  # the joint's position is that of the finger's inner face
            mass=FINGER_MASS,
            **kinds,
        )
    for name, limits in (("y", (-half, half)), ("z", (geometry.LOWEST, top))):
        drive = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        drive.set_to_intvelocity(kp=DRIVE_GAIN, kv=DRIVE_DAMPING)
        drive.actrange, drive.actlimited = limits, mujoco.mjtLimited.mjLIMITED_TRUE
        _limit(drive, (-SPEED, SPEED), DRIVE_FORCE)
    for name in ("left", "right"):
        servo = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=FINGER_GAIN, kv=FINGER_DAMPING)
        _limit(servo, (0.0, geometry.OPENING), FINGER_FORCE)


def _add_slide(body: mujoco.MjsBody, name: str, axis: tuple[int, int, int], limits: tuple[float, float]) -> None:
    body.add_joint(
        name=name,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=axis,
        range=limits,
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
    )


def _limit(actuator: mujoco.MjsActuator, control: tuple[float, float], force: float) -> None:
    actuator.ctrlrange, actuator.ctrllimited = control, mujoco.mjtLimited.mjLIMITED_TRUE
    actuator.forcerange, actuator.forcelimited = (-force, force), mujoco.mjtLimited.mjLIMITED_TRUE


def _add_block(spec: mujoco.MjSpec, number: int) -> None:
    body = spec.worldbody.add_body(name=f"block {number}")
    for name, axis in (("y", (0, 1, 0)), ("z", (0, 0, 1))):
        body.add_joint(name=f"block {number} {name}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
    body.add_joint(name=f"block {number} angle", type=mujoco.mjtJoint.mjJNT_HINGE, axis=(1, 0, 0))
    body.add_geom(
        name=f"block {number}",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=(DEPTH, geometry.HALF, geometry.HALF),
        mass=BLOCK_MASS,
        contype=_BLOCKS,
        conaffinity=_BLOCKS | _GRIPPER | _TABLE,
    )
