"""What keeps a demonstration from being clean: pushes, an unsteady hand, rests."""

from __future__ import annotations

import math

import numpy as np

from spirl_cli.domains.kitchen.expert.view import ARM
from spirl_cli.domains.kitchen.section import KitchenExpert

PUSH = 0.45  # largest action of a push, of one joint
LASTS = (4, 9)  # steps of a push, least and most
BEGINS = (2, 30)  # step of a subtask at which it begins
TREMOR = 0.025  # standard deviation of the action's slow noise, at variation 1
MEMORY = 0.8  # of that noise, from step to step
RESTS = (2, 9)  # steps


class Disturbance:
    """What is added to the actions of one subtask.

    Args:
        settings: how much and how often.
        rng: the episode's.
    """

    def __init__(self, settings: KitchenExpert, rng: np.random.Generator) -> None:
        self._rng = rng
        self._tremor = np.zeros(ARM)
        self._size = TREMOR * settings.variation * math.sqrt(1.0 - MEMORY**2)
        self._begin, self._length = int(rng.integers(*BEGINS)), int(rng.integers(*LASTS))
        direction = rng.uniform(-1.0, 1.0, ARM)
        pushed = rng.random() < settings.disturbance
        self._push = PUSH * pushed * direction / np.abs(direction).max()
        self._step = 0

    def next(self, may_push: bool) -> np.ndarray:
        """Return what to add to the arm's part of the next action, (7,).

        Args:
            may_push: whether the hand is free; nobody is pushed with a kettle in the hand.
        """
        self._tremor = MEMORY * self._tremor + self._size * self._rng.standard_normal(ARM)
        since = self._step - self._begin
        self._step += 1
        if not may_push or not 0 <= since < self._length:
            return self._tremor
        return self._tremor + self._push * math.sin(math.pi * (since + 0.5) / self._length)


def draw_rest(settings: KitchenExpert, rng: np.random.Generator) -> int:
    """Return how many steps to rest before a subtask; mostly none."""
    steps = int(rng.integers(*RESTS))
    return steps if rng.random() < settings.pause else 0
