"""The section of `spirl evaluate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from spirl_cli.settings import MAX_ENVIRONMENTS, Section


class EvaluateSection(Section):
    """Rollouts, statistics, figures and videos (stage `evaluation`)."""

    episodes: PositiveInt = 100
    policies: Annotated[tuple[Literal["sampled", "mean"], ...], Field(min_length=1)] = ("sampled", "mean")
    snapshots: bool = True  # evaluate the kept snapshots too, for the learning curve
    # to compare with: skills z ~ N(0, I) without any prior, and actions uniform within their bounds
    baselines: tuple[Literal["no-prior", "random"], ...] | None = None
    environments: Annotated[int, Field(ge=1, le=MAX_ENVIRONMENTS)] = 2
    video_episodes: NonNegativeInt = 2
    bootstrap: PositiveInt = 10_000
    seed: NonNegativeInt | None = None
