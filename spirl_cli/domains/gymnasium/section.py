"""The settings of any Gymnasium environment in a recipe: `env`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from spirl_cli.domains.section import EnvSection
from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart


class GymnasiumSection(EnvSection):
    """Any Gymnasium environment with a continuous (Box) action space."""

    kind: Literal["gymnasium"]  # the domain
    id: str  # id of the environment, as for gymnasium.make
    kwargs: dict[str, Any] = Field(default_factory=dict)  # arguments of gymnasium.make
    module: str | None = None  # imported first, so that it can register the id; null: nothing
    episode_length: PositiveInt  # steps after which an episode is cut. Unit: environment steps
    # parts of the observation that networks see, joined in this order. Try: keys such as observation and desired_goal
    observation: tuple[ObservationPart, ...] = WHOLE_OBSERVATION
    # key of `info` that is true once the episode succeeded; null: success is not measured. Try: is_success or success
    success_key: str | None = None
    # the environment's own reward; or 1 when success_key turns true, and else 0 (success)
    reward: Literal["environment", "success"] = "environment"
    terminate_on_success: bool = False  # whether success ends the episode
    order: None = None  # always null; fingerprints hold this key
    noise: NonNegativeFloat | None = None  # null or 0: only the kitchen adds noise to observations
