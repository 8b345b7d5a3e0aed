"""Computes actions that move the gripper to a pose: damped least squares on its Jacobian.

FrankaKitchen's actions are joint velocities v in [-1, 1]·2 rad/s, which it turns into position targets of the
joints: their last position + v · 0.08 s. The position servos lag behind and sag under gravity. The controller
compensates for both, so that the gripper has the velocity that it asks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spirl_cli.domains.kitchen.expert.rotations import rotation_between
from spirl_cli.domains.kitchen.expert.view import ARM, KitchenView

STEP = 0.08  # s
VELOCITY = 2.0  # rad/s (fingers: m/s), for an action of 1
OPEN, CLOSED = 0.04, 0.0  # m, distance of a finger from the middle
DAMPING = 0.05  # damping of the least squares
POSITION_WEIGHT = 5.0  # weight of metres relative to radians, for poses that cannot be reached
POSITION_GAIN, ROTATION_GAIN, POSTURE_GAIN = 7.0, 4.0, 2.0  # 1/s
TOP_SPEED, TOP_ROTATION = 0.3, 1.6  # m/s, rad/s, both at pace 1
MARGIN = 0.02  # rad, distance kept from the ends of the joints' ranges
ACCELERATION = 1.2  # m/s², at pace 1
FINGER_GAIN, FINGER_LIMIT = 12.0, 0.25  # 1/s; action


@dataclass(frozen=True)
class Aim:
    """The pose, opening and speed that the gripper should have next.

    Attributes:
        position: `(3,)`, metres.
        rotation: `(3, 3)`, see `rotations`.
        opening: distance of each finger from the middle, `CLOSED` to `OPEN`.
        pace: factor of the top speed.
        attention: weight of the rotation; it is low far from an object, where the posture matters more.
    """

    position: np.ndarray
    rotation: np.ndarray
    opening: float = OPEN
    pace: float = 1.0
    attention: float = 1.0


class Controller:
    """Turns aims into actions; it remembers the last velocity, so that speed changes smoothly.

    Args:
        view: the running simulation.
    """

    def __init__(self, view: KitchenView) -> None:
        self._view = view
        gain, damping = view.model.actuator_gainprm[:ARM, 0], view.model.dof_damping[:ARM]
        self._stiffness = gain.copy()
        self._response = 1.0 - np.exp(-gain * STEP / damping)  # share of the distance to a target covered in one step
        self._range = view.model.jnt_range[:ARM] + np.array([MARGIN, -MARGIN])
        self._velocity = np.zeros(3)

    def action(self, aim: Aim, posture: np.ndarray) -> np.ndarray:
        """Return the action `(9,)` that moves the gripper towards an aim.

        Args:
            aim: the wanted pose.
            posture: `(7,)` preferred arm angles, where the aim leaves freedom.
        """
        view = self._view
        self._velocity = self._next_velocity(aim)
        turn = ROTATION_GAIN * rotation_between(aim.rotation, view.rotation)
        twist = np.concatenate([self._velocity, _capped(turn, TOP_ROTATION * max(aim.pace, 0.5))])
        drift = _capped(POSTURE_GAIN * (posture - view.arm), TOP_ROTATION * max(aim.pace, 0.5))
        joints = self._joint_velocities(twist, drift, np.array([*[POSITION_WEIGHT] * 3, *[aim.attention] * 3]))
        return np.concatenate([self._arm_action(joints), self._finger_action(aim.opening)])

    def hold(self) -> np.ndarray:
        """Return the action `(9,)` that keeps arm and fingers where they are."""
        self._velocity = np.zeros(3)
        squeeze = self._finger_action(CLOSED) if self._view.width < 0.06 else np.zeros(2)
        return np.concatenate([self._arm_action(np.zeros(ARM)), squeeze])

    def _next_velocity(self, aim: Aim) -> np.ndarray:
        wanted = _capped(POSITION_GAIN * (aim.position - self._view.position), TOP_SPEED * aim.pace)
        return self._velocity + _capped(wanted - self._velocity, ACCELERATION * STEP * max(aim.pace, 0.5))

    def _joint_velocities(self, twist: np.ndarray, drift: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return `(7,)` rad/s: the twist's damped solution plus the part of the drift that leaves the gripper in place.

        Joints stop at the ends of their ranges, and the other joints compensate for them.
        """
        angles, jacobian, twist = self._view.arm, weights[:, None] * self._view.jacobian(), weights * twist
        lowest, highest = (self._range - angles[:, None]).T / STEP  # (7,) rad/s to the end of the range in a step
        velocities = np.zeros(ARM)
        free = np.ones(ARM, bool)
        for _ in range(ARM):
            stopped = np.where(free, 0.0, velocities)
            solution = _solution(jacobian * free, twist - jacobian @ stopped, drift * free)
            velocities = np.where(free, solution, stopped)
            beyond = free & ((velocities < lowest) | (velocities > highest))
            if not beyond.any():
                break
            velocities[beyond] = np.clip(velocities, np.minimum(lowest, 0.0), np.maximum(highest, 0.0))[beyond]
            free &= ~beyond
        return velocities

    def _arm_action(self, joints: np.ndarray) -> np.ndarray:
        sag = self._view.data.qfrc_bias[:ARM] / self._stiffness / (VELOCITY * STEP)
        action = joints / self._response / VELOCITY
        largest = float(np.abs(action).max())
        return np.asarray(np.clip(action / max(largest, 1.0) + sag, -1.0, 1.0))

    def _finger_action(self, opening: float) -> np.ndarray:
        away = opening - self._view.fingers
        return np.asarray(np.clip(FINGER_GAIN * away / VELOCITY, -FINGER_LIMIT, FINGER_LIMIT))


def _solution(jacobian: np.ndarray, twist: np.ndarray, drift: np.ndarray) -> np.ndarray:
    normal = jacobian @ jacobian.T + DAMPING**2 * np.eye(6)
    return drift + jacobian.T @ np.linalg.solve(normal, twist - jacobian @ drift)


def _capped(vector: np.ndarray, most: float) -> np.ndarray:
    """Return the vector, shortened to at most the given length."""
    length = math.sqrt(vector.dot(vector))
    return vector if length <= most else vector * (most / length)
