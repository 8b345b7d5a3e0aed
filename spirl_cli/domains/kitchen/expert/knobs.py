"""Both burners: take the knob between the fingers and roll the wrist."""

from __future__ import annotations

import numpy as np

from spirl_cli.domains.kitchen.expert.control import CLOSED, Aim
from spirl_cli.domains.kitchen.expert.machine import Contact, Funnel, Machine, Stage, back_out
from spirl_cli.domains.kitchen.expert.rotations import pointing
from spirl_cli.domains.kitchen.expert.style import Style
from spirl_cli.domains.kitchen.expert.view import Scene

SITES = {"bottom burner": "knob2_site", "top burner": "knob4_site"}
POSTURES = {
    "bottom burner": (-1.4, -1.55, 1.44, -2.3, 0.07, 2.08, 1.54),
    "top burner": (-1.42, -1.44, 1.28, -2.22, -0.08, 2.03, 1.53),
}
DEPTH = -0.037  # m from the knob's middle to the gripper's centre; the finger tips are 5 cm farther
PITCHES = {"bottom burner": 0.15, "top burner": 0.22}
LEAD = 0.5  # rad by which the wrist is turned ahead of the knob
GOAL = -0.9  # rad at which to let go, and how much it varies either way
VARIES = 0.08


def knob_machine(task: str, style: Style) -> Machine:
    """Return the state machine that turns a burner's knob."""
    funnel = Funnel(standoff=style.standoff, bow=style.bow)
    goal = GOAL + VARIES * style.extent

    def contact(scene: Scene, roll: float) -> Contact:
        rotation = pointing(style.yaw - 0.05, PITCHES[task] + style.pitch, roll)
        return Contact(scene.site(SITES[task]) + DEPTH * rotation[:, 2] + 0.5 * style.grasp, rotation)

    def turned(scene: Scene) -> Contact:
        return contact(scene, scene.angle(task))

    def hold(scene: Scene, lead: float) -> Aim:
        now = contact(scene, scene.angle(task) - lead)
        return Aim(now.position, now.rotation, CLOSED, style.pace)

    def slipped(scene: Scene) -> bool:
        return float(np.linalg.norm(scene.position - turned(scene).position)) > 0.045

    stages = (
        Stage(
            "reach",
            lambda scene: funnel.aim(scene, turned(scene), style.pace),
            lambda scene: funnel.arrived(scene, turned(scene), 0.01),
            limit=90,
        ),
        Stage("grasp", lambda scene: hold(scene, 0.0), lambda scene: scene.width < 0.045, slipped, 12),
        Stage("turn", lambda scene: hold(scene, LEAD), lambda scene: scene.angle(task) < goal, slipped, 40),
        back_out(0.11, lambda scene: scene.site(SITES[task]), style.pace, pointing(0.0, PITCHES[task])),
    )
    return Machine(task, stages, np.array(POSTURES[task]))
