"""Both burners: take the knob between the fingers and roll the wrist."""

from __future__ import annotations

import numpy as np

from spirl_cli.domains.kitchen.expert.control import CLOSED, Aim
from spirl_cli.domains.kitchen.expert.rotations import pointing
from spirl_cli.domains.kitchen.expert.state_machine import Approach, Contact, Phase, StateMachine, back_out
from spirl_cli.domains.kitchen.expert.style import Style
from spirl_cli.domains.kitchen.expert.view import KitchenView

SITES = {"bottom burner": "knob2_site", "top burner": "knob4_site"}
POSTURES = {
    "bottom burner": (-1.4, -1.55, 1.44, -2.3, 0.07, 2.08, 1.54),
    "top burner": (-1.42, -1.44, 1.28, -2.22, -0.08, 2.03, 1.53),
}
DEPTH = -0.037  # m from the knob's middle to the gripper's centre; the finger tips are 5 cm farther
PITCHES = {"bottom burner": 0.15, "top burner": 0.22}
LEAD = 0.5  # rad by which the wrist turns ahead of the knob
GOAL = -0.9  # rad, angle at which to let go, and the largest deviation from it
VARIES = 0.08


def knob_machine(task: str, style: Style) -> StateMachine:
    """Return the state machine that turns a burner's knob."""
    approach = Approach(standoff=style.standoff, bow=style.bow)
    goal = GOAL + VARIES * style.extent

    def contact(view: KitchenView, roll: float) -> Contact:
        rotation = pointing(style.yaw - 0.05, PITCHES[task] + style.pitch, roll)
        return Contact(view.site(SITES[task]) + DEPTH * rotation[:, 2] + 0.5 * style.grasp, rotation)

    def turned(view: KitchenView) -> Contact:
        return contact(view, view.angle(task))

    def hold(view: KitchenView, lead: float) -> Aim:
        now = contact(view, view.angle(task) - lead)
        return Aim(now.position, now.rotation, CLOSED, style.pace)

    def slipped(view: KitchenView) -> bool:
        return float(np.linalg.norm(view.position - turned(view).position)) > 0.045

    phases = (
        Phase(
            "reach",
            lambda view: approach.aim(view, turned(view), style.pace),
            lambda view: approach.arrived(view, turned(view), 0.01),
            limit=90,
        ),
        Phase("grasp", lambda view: hold(view, 0.0), lambda view: view.width < 0.045, slipped, 12),
        Phase("turn", lambda view: hold(view, LEAD), lambda view: view.angle(task) < goal, slipped, 40),
        back_out(0.11, lambda view: view.site(SITES[task]), style.pace, pointing(0.0, PITCHES[task])),
    )
    return StateMachine(task, phases, np.array(POSTURES[task]))
