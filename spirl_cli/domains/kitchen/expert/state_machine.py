"""Subtasks as state machines: each phase has a condition to go on and one to start over.

Every condition and every aim is a function of the present state. So the machine recovers from any disturbance, such as
a handle that slips or a push of the arm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spirl_cli.domains.kitchen.expert.control import OPEN, Aim
from spirl_cli.domains.kitchen.expert.view import KitchenView


def never(view: KitchenView) -> bool:
    """Return False: the condition of a phase that has none."""
    return False


@dataclass(frozen=True)
class Phase:
    """One phase of a subtask.

    Attributes:
        name: name of the phase.
        aim: returns the gripper's aim in the present state.
        finished: says whether to go on to the next phase.
        lost: says whether to start over.
        limit: steps after which to start over.
    """

    name: str
    aim: Callable[[KitchenView], Aim]
    finished: Callable[[KitchenView], bool]
    lost: Callable[[KitchenView], bool] = never
    limit: int = 60


class StateMachine:
    """Goes through the phases of a subtask; in the last phase the gripper leaves the object.

    Args:
        task: name of the subtask; once it is solved, no phase starts over.
        phases: the phases in order.
        posture: `(7,)` preferred arm angles.

    Attributes:
        restarts: number of times that the subtask was started over.
    """

    def __init__(self, task: str, phases: Sequence[Phase], posture: np.ndarray) -> None:
        self.task = task
        self.posture = posture
        self.restarts = 0
        self._phases = tuple(phases)
        self._index = 0
        self._elapsed = 0

    @property
    def done(self) -> bool:
        """Whether the last phase is finished."""
        return self._index >= len(self._phases)

    @property
    def leaving(self) -> bool:
        """Whether only the last phase is left."""
        return self._index >= len(self._phases) - 1

    @property
    def phase(self) -> str:
        """Name of the present phase."""
        return "" if self.done else self._phases[self._index].name

    def aim(self, view: KitchenView) -> Aim:
        """Go on to the phase that the state asks for and return its aim."""
        self._advance(view)
        self._elapsed += 1
        phase = self._phases[min(self._index, len(self._phases) - 1)]
        return phase.aim(view)

    def _advance(self, view: KitchenView) -> None:
        phase = self._phases[min(self._index, len(self._phases) - 1)]
        if phase.lost(view) or self._elapsed >= phase.limit:
            over = self.leaving or view.solved(self.task)
            self.restarts += not over
            self._enter(len(self._phases) if self.leaving else len(self._phases) - 1 if over else 0)
        while not self.done and self._phases[self._index].finished(view):
            self._enter(self._index + 1)

    def _enter(self, index: int) -> None:
        self._index, self._elapsed = index, 0


@dataclass(frozen=True)
class Contact:
    """Pose of the gripper at an object: a position `(3,)` and a rotation `(3, 3)`."""

    position: np.ndarray
    rotation: np.ndarray

    def distances(self, view: KitchenView) -> tuple[float, float]:
        """Return the gripper's distances beyond the contact, along its direction, and beside it, metres."""
        away = view.position - self.position
        forward = self.rotation[:, 2]
        along = float(away @ forward)
        return along, float(np.linalg.norm(away - along * forward))


@dataclass(frozen=True)
class Approach:
    """An approach to a contact from the front: the farther beside it, the farther in front.

    Attributes:
        standoff: metres in front of the contact, from where the way is straight.
        slope: additional metres in front per metre beside it.
        far: largest distance in front of it, metres.
        aside: metres beside it that count as straight in front.
        bow: `(3,)` metres by which the way bends.
    """

    standoff: float = 0.08
    slope: float = 0.5
    far: float = 0.22
    aside: float = 0.012
    bow: np.ndarray | None = None

    def aim(self, view: KitchenView, contact: Contact, pace: float, opening: float = OPEN) -> Aim:
        """Return the aim on the way to the contact."""
        along, beside = contact.distances(view)
        forward = contact.rotation[:, 2]
        if beside > 0.06 and along > -0.04:  # if past the contact and beside it, back out first
            return Aim(view.position - 0.15 * forward, contact.rotation, opening, pace)
        excess = max(beside - self.aside, 0.0)
        back = min(self.standoff * min(excess / self.aside, 1.0) + self.slope * excess, self.far)
        target = contact.position - back * forward
        if self.bow is not None and excess:
            target = target + self.bow * min(excess / 0.25, 1.0)
        attention = float(np.clip(1.6 - 8.0 * beside, 0.03, 1.0))
        return Aim(target, contact.rotation, opening, pace, attention)

    def arrived(self, view: KitchenView, contact: Contact, within: float = 0.012) -> bool:
        """Say whether the gripper is at the contact."""
        along, beside = contact.distances(view)
        return beside < within + 0.004 and abs(along) < within


def back_out(
    distance: float, site: Callable[[KitchenView], np.ndarray], pace: float, turn: np.ndarray | None = None
) -> Phase:
    """Return the phase that opens the fingers and backs out to a distance from a site."""

    def aim(view: KitchenView) -> Aim:
        ready = view.width > 0.055
        step = 0.12 if ready else 0.0
        rotation = view.rotation if turn is None else turn
        return Aim(view.position - step * view.forward, rotation, OPEN, pace)

    def finished(view: KitchenView) -> bool:
        return float(np.linalg.norm(view.position - site(view))) > distance

    return Phase("back out", aim, finished, limit=25)
