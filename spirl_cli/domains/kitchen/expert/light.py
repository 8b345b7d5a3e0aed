"""The light switch: take the lever between the fingers and push it to the left."""

from __future__ import annotations

import math

import numpy as np

from spirl_cli.domains.kitchen.expert.control import CLOSED, Aim
from spirl_cli.domains.kitchen.expert.rotations import pointing
from spirl_cli.domains.kitchen.expert.state_machine import Approach, Contact, Phase, StateMachine, back_out
from spirl_cli.domains.kitchen.expert.style import Style
from spirl_cli.domains.kitchen.expert.view import KitchenView

TASK, SITE = "light switch", "light_site"
POSTURE = (-1.32, -1.59, 1.36, -2.1, 0.07, 1.87, 1.52)
ANCHOR = np.array([-0.4, 0.691])  # (x, y) of the lever's axis
DEPTH = -0.035  # m from the lever's tip to the gripper's centre
PITCH = 0.18
LEAD = 0.9  # rad by which the aim is ahead of the lever
GOAL = -0.66  # rad, angle at which to let go


def light_machine(style: Style) -> StateMachine:
    """Return the state machine that switches the light on."""
    approach = Approach(standoff=style.standoff, bow=style.bow)

    def contact(view: KitchenView, ahead: float = 0.0) -> Contact:
        lever = view.site(SITE)[:2] - ANCHOR
        cosine, sine = math.cos(ahead), -math.sin(ahead)
        tip = ANCHOR + np.array([cosine * lever[0] - sine * lever[1], sine * lever[0] + cosine * lever[1]])
        rotation = pointing(style.yaw, PITCH + style.pitch, style.roll)
        place = np.array([*tip, view.site(SITE)[2]])
        return Contact(place + DEPTH * rotation[:, 2] + 0.7 * style.grasp, rotation)

    def push(view: KitchenView, ahead: float) -> Aim:
        now = contact(view, ahead)
        return Aim(now.position, now.rotation, CLOSED, style.pace)

    def slipped(view: KitchenView) -> bool:
        return float(np.linalg.norm(view.position - contact(view).position)) > 0.06

    phases = (
        Phase(
            "reach",
            lambda view: approach.aim(view, contact(view), style.pace),
            lambda view: approach.arrived(view, contact(view)),
            limit=90,
        ),
        Phase("grasp", lambda view: push(view, 0.0), lambda view: view.width < 0.065, slipped, 8),
        Phase("push", lambda view: push(view, LEAD), lambda view: view.angle(TASK) < GOAL, slipped, 40),
        back_out(0.1, lambda view: view.site(SITE), style.pace),
    )
    return StateMachine(TASK, phases, np.array(POSTURE))
