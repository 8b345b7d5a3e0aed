"""The settings of any Gymnasium environment in a recipe: `env`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from spirl_cli.domains.section import EnvSection
from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart


class GymnasiumSection(EnvSection):
    """Any Gymnasium environment with a continuous (Box) action space."""

    kind: Literal["gymnasium"]
    id: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    module: str | None = None  # imported first, so that it can register the id
    episode_length: PositiveInt
    observation: tuple[ObservationPart, ...] = WHOLE_OBSERVATION
    success_key: str | None = None  # key of `info`, or path to it, that is true once the episode succeeded
    reward: Literal["environment", "success"] = "environment"
    terminate_on_success: bool = False
    order: None = None
    noise: NonNegativeFloat | None = None
