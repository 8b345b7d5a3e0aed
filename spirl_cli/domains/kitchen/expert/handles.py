"""Subtasks with an upright bar between the fingers: microwave, hinge cabinet, slide cabinet.

The gripper approaches the handle, closes the fingers, pulls it along the path that the joint allows, and lets go.
Contact poses and arm angles are rounded medians of human demonstrations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from spirl_cli.domains.kitchen.expert.control import CLOSED, OPEN, Aim
from spirl_cli.domains.kitchen.expert.rotations import pointing
from spirl_cli.domains.kitchen.expert.state_machine import Approach, Contact, Phase, StateMachine, back_out
from spirl_cli.domains.kitchen.expert.style import Style
from spirl_cli.domains.kitchen.expert.view import KitchenView

SLIPPED = 0.075  # m between gripper and handle at which the handle has slipped


@dataclass(frozen=True)
class Handle:
    """A door with an upright bar as handle.

    Attributes:
        task: name of the subtask.
        site: simulator's site at the middle of the bar.
        height: metres between the middle of the bar and the contact above it.
        depth: metres between the bar and the gripper's centre behind it.
        yaw, pitch: orientation of the gripper at the contact, radians.
        turn: radians of yaw per unit of the joint.
        anchor: (x, y) of the hinge, or None for a door that slides along +x.
        sign: sign of the joint's velocity when the door opens.
        lead: metres by which the aim is ahead of the handle.
        goal: joint position at which to let go, and the largest deviation from it.
        posture: preferred arm angles, radians.
        clearance: metres to back out after letting go.
    """

    task: str
    site: str
    height: float
    depth: float
    yaw: float
    pitch: float
    turn: float
    anchor: tuple[float, float] | None
    sign: float
    lead: float
    goal: tuple[float, float]
    posture: tuple[float, ...]
    clearance: float = 0.1


MICROWAVE = Handle(
    task="microwave",
    site="microhandle_site",
    height=0.045,
    depth=-0.005,
    yaw=0.26,
    pitch=-0.08,
    turn=-0.45,
    anchor=(-1.128, 0.455),
    sign=-1.0,
    lead=0.08,
    goal=(-0.72, 0.05),
    posture=(-1.3, -1.76, 1.81, -1.37, -0.8, 1.37, 2.57),
)
HINGE_CABINET = Handle(
    task="hinge cabinet",
    site="hinge_site2",
    height=-0.055,
    depth=0.0,
    yaw=0.0,
    pitch=0.48,
    turn=-0.25,
    anchor=(-0.224, 0.71),
    sign=1.0,
    lead=0.09,
    goal=(1.28, 0.06),
    posture=(-1.71, -1.54, 0.93, -1.27, 0.65, 1.34, 0.96),
    clearance=0.2,
)
SLIDE_CABINET = Handle(
    task="slide cabinet",
    site="slide_site",
    height=-0.05,
    depth=0.01,
    yaw=-0.36,
    pitch=0.6,
    turn=-1.3,
    anchor=None,
    sign=1.0,
    lead=0.09,
    goal=(0.34, 0.03),
    posture=(-1.79, -1.4, 1.03, -2.02, 0.18, 1.9, 1.11),
)


# orientation that passes under the open door of the hinge cabinet
SLIDE_CABINET_BELOW = replace(SLIDE_CABINET, height=-0.09, yaw=0.0, pitch=0.75)
DOOR_OPEN = 0.5  # rad, opening of the hinge cabinet above which its door is in the way
DOOR_BOTTOM = 2.36  # m, height at which the gripper passes under the door


def handle_machine(handle: Handle, style: Style) -> StateMachine:
    """Return the state machine that opens a door by its handle."""
    approach = Approach(standoff=style.standoff, bow=style.bow)
    goal = handle.sign * (handle.goal[0] + handle.goal[1] * style.extent)

    def contact(view: KitchenView, ahead: float = 0.0) -> Contact:
        return _contact(handle, style, view, ahead)

    def slipped(view: KitchenView) -> bool:
        return float(np.linalg.norm(view.position - contact(view).position)) > SLIPPED

    def hold(view: KitchenView, ahead: float) -> Aim:
        now = contact(view, ahead)
        return Aim(now.position, now.rotation, CLOSED, style.pace)

    def reach(view: KitchenView) -> Aim:
        now = contact(view)
        if handle is SLIDE_CABINET and _door_between(view, now):
            return _under_the_door(view, now, style.pace)
        return approach.aim(view, now, style.pace)

    phases = (
        Phase(
            "reach",
            reach,
            lambda view: approach.arrived(view, contact(view)),
            limit=90,
        ),
        Phase("grasp", lambda view: hold(view, 0.0), lambda view: view.width < 0.058, slipped, 12),
        Phase(
            "pull",
            lambda view: hold(view, handle.lead),
            lambda view: handle.sign * view.angle(handle.task) > goal,
            slipped,
            60,
        ),
        back_out(handle.clearance, lambda view: view.site(handle.site), style.pace),
    )
    return StateMachine(handle.task, phases, np.array(handle.posture))


def _contact(handle: Handle, style: Style, view: KitchenView, ahead: float) -> Contact:
    """Return the contact with the handle after the bar has moved on by `ahead` metres."""
    if handle is SLIDE_CABINET and view.angle("hinge cabinet") > DOOR_OPEN:
        handle = SLIDE_CABINET_BELOW
    bar, angle = view.site(handle.site), view.angle(handle.task)
    if handle.anchor is None:
        bar, angle = bar + np.array([handle.sign * ahead, 0.0, 0.0]), angle + handle.sign * ahead
    elif ahead:
        arm = bar[:2] - handle.anchor
        change = handle.sign * ahead / math.hypot(*arm)
        cosine, sine = math.cos(change), math.sin(change)
        turned = np.array([cosine * arm[0] - sine * arm[1], sine * arm[0] + cosine * arm[1]])
        bar, angle = np.array([*(turned + handle.anchor), bar[2]]), angle + change
    yaw = handle.yaw + style.yaw + handle.turn * angle
    rotation = pointing(yaw, handle.pitch + style.pitch, style.roll)
    offset = handle.depth * rotation[:, 2] + np.array([0.0, 0.0, handle.height]) + style.grasp
    return Contact(bar + offset, rotation)


def _door_between(view: KitchenView, contact: Contact) -> bool:
    """Say whether the hinge cabinet's open door is between the gripper and the slide cabinet's handle."""
    return view.angle("hinge cabinet") > DOOR_OPEN and view.position[0] < contact.position[0] - 0.03


def _under_the_door(view: KitchenView, contact: Contact, pace: float) -> Aim:
    x, y, z = view.position
    ahead = x if z > DOOR_BOTTOM else contact.position[0] + 0.02
    return Aim(np.array([ahead, min(y, 0.38), DOOR_BOTTOM - 0.08]), contact.rotation, OPEN, pace, 0.03)
