"""The settings of any Gymnasium environment in a recipe: `env`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveInt

from spirl_cli.domains.section import EnvSection
from spirl_cli.settings import WHOLE_OBSERVATION, Observation, Section

# Written out, a single frame is the same as left out, so that it has the same fingerprint.
OrSingle = BeforeValidator(lambda value: None if value == 1 else value)


class RenderedImage(Section):
    """What the environment renders, as part of its observation: rows and columns after resizing."""

    size: tuple[PositiveInt, PositiveInt]


class GymnasiumSection(EnvSection):
    """Any Gymnasium environment with a continuous (Box) action space."""

    kind: Literal["gymnasium"]
    id: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    module: str | None = None  # imported first, so that it can register the id
    episode_length: PositiveInt
    observation: Observation = WHOLE_OBSERVATION
    success_key: str | None = None  # key of `info` that is true once the episode succeeded
    reward: Literal["environment", "success"] = "environment"
    terminate_on_success: bool = False
    order: None = None
    noise: NonNegativeFloat | None = None
    # images of successive steps that are stacked along the channels, the oldest first; null: one
    frames: Annotated[PositiveInt | None, OrSingle] = None
    # adds what the environment renders under the key `pixels`; an observation that is no dictionary gets `state`
    render_image: RenderedImage | None = None

    @property
    def stacked_frames(self) -> int:
        """How many successive images are stacked along the channels."""
        return self.frames or 1

    def clip_values(self) -> dict[str, Any]:
        """Return the number of stacked frames where it is not one: clips show that many."""
        return {} if self.frames is None else {"frames": self.frames}
