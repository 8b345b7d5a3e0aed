"""Looks up the state machine of a subtask by name."""

from __future__ import annotations

from spirl_cli.domains.kitchen.expert.handles import HINGE_CABINET, MICROWAVE, SLIDE_CABINET, handle_machine
from spirl_cli.domains.kitchen.expert.kettle import kettle_machine
from spirl_cli.domains.kitchen.expert.knobs import knob_machine
from spirl_cli.domains.kitchen.expert.light import light_machine
from spirl_cli.domains.kitchen.expert.state_machine import StateMachine
from spirl_cli.domains.kitchen.expert.style import Style

HANDLES = {handle.task: handle for handle in (MICROWAVE, HINGE_CABINET, SLIDE_CABINET)}


def make_machine(task: str, style: Style) -> StateMachine:
    """Return a new state machine that does a subtask in a style."""
    if task in HANDLES:
        return handle_machine(HANDLES[task], style)
    if task == "kettle":
        return kettle_machine(style)
    if task == "light switch":
        return light_machine(style)
    return knob_machine(task, style)
