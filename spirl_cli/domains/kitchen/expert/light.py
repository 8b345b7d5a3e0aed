"""The light switch: take the lever between the fingers and push it to the left."""

from __future__ import annotations

import math

import numpy as np

from spirl_cli.domains.kitchen.expert.control import CLOSED, Aim
from spirl_cli.domains.kitchen.expert.machine import Contact, Funnel, Machine, Stage, back_out
from spirl_cli.domains.kitchen.expert.rotations import pointing
from spirl_cli.domains.kitchen.expert.style import Style
from spirl_cli.domains.kitchen.expert.view import Scene

TASK, SITE = "light switch", "light_site"
POSTURE = (-1.32, -1.59, 1.36, -2.1, 0.07, 1.87, 1.52)
ANCHOR = np.array([-0.4, 0.691])  # (x, y) about which the lever turns
DEPTH = -0.035  # m from the lever's tip to the gripper's centre
PITCH = 0.18
LEAD = 0.9  # rad by which the aim is ahead of the lever
GOAL = -0.66  # rad at which to let go


def light_machine(style: Style) -> Machine:
    """Return the state machine that switches the light on."""
    funnel = Funnel(standoff=style.standoff, bow=style.bow)

    def contact(scene: Scene, ahead: float = 0.0) -> Contact:
        lever = scene.site(SITE)[:2] - ANCHOR
        cosine, sine = math.cos(ahead), -math.sin(ahead)
        tip = ANCHOR + np.array([cosine * lever[0] - sine * lever[1], sine * lever[0] + cosine * lever[1]])
        rotation = pointing(style.yaw, PITCH + style.pitch, style.roll)
        place = np.array([*tip, scene.site(SITE)[2]])
        return Contact(place + DEPTH * rotation[:, 2] + 0.7 * style.grasp, rotation)

    def push(scene: Scene, ahead: float) -> Aim:
        now = contact(scene, ahead)
        return Aim(now.position, now.rotation, CLOSED, style.pace)

    def slipped(scene: Scene) -> bool:
        return float(np.linalg.norm(scene.position - contact(scene).position)) > 0.06

    stages = (
        Stage(
            "reach",
            lambda scene: funnel.aim(scene, contact(scene), style.pace),
            lambda scene: funnel.arrived(scene, contact(scene)),
            limit=90,
        ),
        Stage("grasp", lambda scene: push(scene, 0.0), lambda scene: scene.width < 0.065, slipped, 8),
        Stage("push", lambda scene: push(scene, LEAD), lambda scene: scene.angle(TASK) < GOAL, slipped, 40),
        back_out(0.1, lambda scene: scene.site(SITE), style.pace),
    )
    return Machine(TASK, stages, np.array(POSTURE))
