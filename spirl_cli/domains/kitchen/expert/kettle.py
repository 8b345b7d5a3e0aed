"""The kettle: take the left post of its handle, lift it, carry it to the back burner and put it down."""

from __future__ import annotations

import numpy as np

from spirl_cli.domains.kitchen.expert.control import CLOSED, Aim
from spirl_cli.domains.kitchen.expert.machine import Contact, Funnel, Machine, Phase, back_out
from spirl_cli.domains.kitchen.expert.rotations import pointing
from spirl_cli.domains.kitchen.expert.style import Style
from spirl_cli.domains.kitchen.expert.view import KitchenView

TASK = "kettle"
POSTURE = (-0.76, -1.76, 2.13, -2.15, 0.27, 0.99, 1.9)
POST = np.array([-0.092, 0.0, 0.18])  # of the handle, in the kettle
DEPTH = 0.01  # m past the post
YAW, PITCH = -0.54, -0.1
YAW_PLACED = -0.3
GOAL = np.array([-0.22, 0.75])  # (x, y) of the back burner
TABLE, LIFTED, CARRIED = 1.62, 1.65, 1.71  # heights of the kettle, m
PLACED = 0.04  # m from the goal


def kettle_machine(style: Style) -> Machine:
    """Return the state machine that moves the kettle to the back burner."""
    funnel = Funnel(standoff=style.standoff, bow=style.bow)
    place = GOAL + 0.02 * style.extent * np.array([0.5, 1.0])

    def contact(view: KitchenView) -> Contact:
        position, rotation = view.kettle()
        gripper = pointing(YAW + style.yaw, PITCH + style.pitch, style.roll)
        return Contact(position + rotation @ POST + DEPTH * gripper[:, 2] + style.grasp, gripper)

    def carry(view: KitchenView, to: np.ndarray, height: float) -> Aim:
        """Move the gripper by what the kettle lacks."""
        position, _ = view.kettle()
        share = float(np.clip((position[1] - 0.35) / 0.4, 0.0, 1.0))
        rotation = pointing(YAW + style.yaw + share * (YAW_PLACED - YAW), (1.0 - share) * PITCH + style.pitch)
        return Aim(view.position + np.array([*to, height]) - position, rotation, CLOSED, style.pace)

    def lost(view: KitchenView) -> bool:
        position, rotation = view.kettle()
        post = position + rotation @ POST
        return float(np.linalg.norm((view.position - post)[:2])) > 0.08 or view.width < 0.02

    def placed(view: KitchenView) -> float:
        return float(np.linalg.norm(view.kettle()[0][:2] - place))

    def lift(view: KitchenView) -> Aim:
        present = view.kettle()[0][:2]
        return carry(view, present + 0.03 * (place - present) / max(placed(view), 0.01), CARRIED)

    def settled(view: KitchenView) -> bool:
        return bool(view.kettle()[0][2] < TABLE + 0.01)

    phases = (
        Phase(
            "reach",
            lambda view: funnel.aim(view, contact(view), style.pace),
            lambda view: funnel.arrived(view, contact(view)) or placed(view) < PLACED,
            limit=90,
        ),
        Phase(
            "grasp",
            lambda view: Aim(contact(view).position, contact(view).rotation, CLOSED, style.pace),
            lambda view: view.width < 0.054 or placed(view) < PLACED,
            lost,
            12,
        ),
        Phase("lift", lift, lambda view: bool(view.kettle()[0][2] > LIFTED) or placed(view) < PLACED, lost, 20),
        Phase(
            "carry",
            lambda view: carry(view, place, CARRIED),
            lambda view: placed(view) < PLACED,
            lost,
            60,
        ),
        Phase("lower", lambda view: carry(view, place, TABLE - 0.02), settled, lost, 20),
        back_out(0.16, _post, style.pace),
    )
    return Machine(TASK, phases, np.array(POSTURE))


def _post(view: KitchenView) -> np.ndarray:
    position, rotation = view.kettle()
    return np.asarray(position + rotation @ POST)
