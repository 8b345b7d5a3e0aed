"""The kettle: take the left post of its handle, lift it, carry it to the back burner and put it down."""

from __future__ import annotations

import numpy as np

from spirl_cli.domains.kitchen.expert.control import CLOSED, Aim
from spirl_cli.domains.kitchen.expert.rotations import pointing
from spirl_cli.domains.kitchen.expert.state_machine import Approach, Contact, Phase, StateMachine, back_out
from spirl_cli.domains.kitchen.expert.style import Style
from spirl_cli.domains.kitchen.expert.view import KitchenView

TASK = "kettle"
POSTURE = (-0.76, -1.76, 2.13, -2.15, 0.27, 0.99, 1.9)
POST = np.array([-0.092, 0.0, 0.18])  # m, left post of the handle, in the kettle's frame
DEPTH = 0.01  # m between the post and the gripper's centre behind it
YAW, PITCH = -0.54, -0.1
YAW_PLACED = -0.3
GOAL = np.array([-0.22, 0.75])  # (x, y) of the back burner
TABLE, LIFTED, CARRIED = 1.62, 1.65, 1.71  # m, heights of the kettle
PLACED = 0.04  # m, distance to the goal that counts as reached


def kettle_machine(style: Style) -> StateMachine:
    """Return the state machine that moves the kettle to the back burner."""
    mover = _KettleMover(style, GOAL + 0.02 * style.extent * np.array([0.5, 1.0]))
    phases = (
        Phase("reach", mover.reach, lambda view: mover.arrived(view) or mover.near(view), limit=90),
        Phase("grasp", mover.grasp, lambda view: view.width < 0.054 or mover.near(view), _lost, 12),
        Phase("lift", mover.lift, lambda view: bool(view.kettle()[0][2] > LIFTED) or mover.near(view), _lost, 20),
        Phase("carry", lambda view: mover.carry(view, mover.place, CARRIED), mover.near, _lost, 60),
        Phase("lower", lambda view: mover.carry(view, mover.place, TABLE - 0.02), _settled, _lost, 20),
        back_out(0.16, _post, style.pace),
    )
    return StateMachine(TASK, phases, np.array(POSTURE))


class _KettleMover:
    """Moves the kettle to a place, in one style.

    Args:
        style: style of the subtask.
        place: `(2,)` position at which the kettle is put down, metres.
    """

    def __init__(self, style: Style, place: np.ndarray) -> None:
        self.place, self._style = place, style
        self._approach = Approach(standoff=style.standoff, bow=style.bow)

    def reach(self, view: KitchenView) -> Aim:
        """Return the aim on the way to the handle."""
        return self._approach.aim(view, self._contact(view), self._style.pace)

    def arrived(self, view: KitchenView) -> bool:
        """Say whether the gripper is at the handle."""
        return self._approach.arrived(view, self._contact(view))

    def grasp(self, view: KitchenView) -> Aim:
        """Return the aim that closes the fingers around the handle."""
        contact = self._contact(view)
        return Aim(contact.position, contact.rotation, CLOSED, self._style.pace)

    def lift(self, view: KitchenView) -> Aim:
        """Return the aim that lifts the kettle and moves it a little towards its place."""
        present = view.kettle()[0][:2]
        towards = 0.03 * (self.place - present) / max(self._distance(view), 0.01)
        return self.carry(view, present + towards, CARRIED)

    def carry(self, view: KitchenView, to: np.ndarray, height: float) -> Aim:
        """Return the aim that moves the kettle to a position `(2,)` and a height."""
        style, (position, _) = self._style, view.kettle()
        share = float(np.clip((position[1] - 0.35) / 0.4, 0.0, 1.0))
        rotation = pointing(YAW + style.yaw + share * (YAW_PLACED - YAW), (1.0 - share) * PITCH + style.pitch)
        return Aim(view.position + np.array([*to, height]) - position, rotation, CLOSED, style.pace)

    def near(self, view: KitchenView) -> bool:
        """Say whether the kettle is above its place."""
        return self._distance(view) < PLACED

    def _contact(self, view: KitchenView) -> Contact:
        style, (position, rotation) = self._style, view.kettle()
        gripper = pointing(YAW + style.yaw, PITCH + style.pitch, style.roll)
        return Contact(position + rotation @ POST + DEPTH * gripper[:, 2] + style.grasp, gripper)

    def _distance(self, view: KitchenView) -> float:
        return float(np.linalg.norm(view.kettle()[0][:2] - self.place))


def _lost(view: KitchenView) -> bool:
    away = (view.position - _post(view))[:2]
    return float(np.linalg.norm(away)) > 0.08 or view.width < 0.02


def _settled(view: KitchenView) -> bool:
    return bool(view.kettle()[0][2] < TABLE + 0.01)


def _post(view: KitchenView) -> np.ndarray:
    position, rotation = view.kettle()
    return np.asarray(position + rotation @ POST)
