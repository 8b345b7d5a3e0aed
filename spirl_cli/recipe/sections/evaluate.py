"""The section of `spirl evaluate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from spirl_cli.settings import MAX_ENVIRONMENTS, Section


class EvaluateSection(Section):
    """Rollouts, statistics, figures and videos (stage `evaluation`)."""

    # episodes of each policy, from fixed seeds. Try: 100 or more for a result; an interval halves with four times as
    # many
    episodes: PositiveInt = 100
    # whether skills are drawn from the policy (sampled) or are its mean
    policies: Annotated[tuple[Literal["sampled", "mean"], ...], Field(min_length=1)] = ("sampled", "mean")
    snapshots: bool = True  # whether the kept snapshots are evaluated too, for the learning curve
    # what to compare with: skills z ~ N(0, I) without any prior, and actions uniform within their bounds
    baselines: tuple[Literal["no-prior", "random"], ...] | None = None
    # episodes of the prior and of its skills without it, with which every evaluation compares an agent; 0: none; null:
    # as many as `episodes`
    yardsticks: NonNegativeInt | None = None
    # environments that run side by side, a process each. Try: as many as cores
    environments: Annotated[int, Field(ge=1, le=MAX_ENVIRONMENTS)] = 2
    video_episodes: NonNegativeInt = 2  # first episodes that become videos; 0: none
    bootstrap: PositiveInt = 10_000  # resamples behind the intervals
    seed: NonNegativeInt | None = None  # seed of the episodes; null: the recipe's
