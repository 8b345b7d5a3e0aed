"""The corridor's settings in a recipe."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt

from spirl_cli.domains.drawn import STATE_AND_IMAGE, DrawnSection
from spirl_cli.domains.section import ImageShape, PlannerKey
from spirl_cli.settings import ObservationPart, Section


class CorridorPlanner(Section):
    """Demonstrations: the cart is pushed to one end."""

    steps: PositiveInt = 30
    push: PositiveFloat = 0.8


class CorridorSection(DrawnSection):
    """A corridor of some metres."""

    planner: ClassVar[PlannerKey | None] = PlannerKey("planner", "planner", CorridorPlanner)
    pixels: ClassVar[ImageShape] = (8, 16, 1)

    kind: Literal["corridor"]
    length: PositiveFloat = 2.0
    episode_length: PositiveInt = 30
    frames: PositiveInt = 2
    observation: tuple[ObservationPart, ...] = STATE_AND_IMAGE
