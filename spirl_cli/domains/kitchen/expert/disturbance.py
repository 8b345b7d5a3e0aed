"""Disturbances of demonstrations: pushes, an unsteady hand, rests."""

from __future__ import annotations

import math

import numpy as np

from spirl_cli.domains.kitchen.expert.view import ARM
from spirl_cli.domains.kitchen.section import KitchenExpert

PUSH = 0.45  # largest action of a push, for one joint
LASTS = (4, 9)  # steps that a push lasts, least and most
BEGINS = (2, 30)  # step of a subtask at which a push begins, least and most
TREMOR = 0.025  # standard deviation of the action's slow noise, at variation 1
MEMORY = 0.8  # share of that noise that stays from step to step
RESTS = (2, 9)  # steps that a rest lasts, least and most


class Disturbance:
    """Noise and pushes that are added to the actions of one subtask.

    Args:
        settings: sizes and probabilities.
        rng: generator of the episode.
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
        """Return the disturbance of the arm's part of the next action, `(7,)`.

        Args:
            may_push: whether pushes are allowed, which is while the hand is empty.
        """
        self._tremor = MEMORY * self._tremor + self._size * self._rng.standard_normal(ARM)
        since = self._step - self._begin
        self._step += 1
        if not may_push or not 0 <= since < self._length:
            return self._tremor
        return self._tremor + self._push * math.sin(math.pi * (since + 0.5) / self._length)


def draw_rest(settings: KitchenExpert, rng: np.random.Generator) -> int:
    """Return the number of steps to rest before a subtask, which mostly is 0."""
    steps = int(rng.integers(*RESTS))
    return steps if rng.random() < settings.pause else 0
