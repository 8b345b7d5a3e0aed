"""One row of results, to vary in tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spirl_cli.evaluation.results import ResultRow


def make_row(**changes: Any) -> ResultRow:
    """Return a row of SPiRL in the kitchen, with some fields changed."""
    base = ResultRow(
        env="kitchen",
        method="spirl",
        metric="subtasks",
        mean=2.5,
        low=2.4,
        high=2.6,
        seeds=3,
        episodes=300,
        policy="sampled",
        env_steps=200_000,
        order="in-order",
        noise=0.01,
        reward=None,
        layout=None,
        data="relay/kitchen-human-v0",
        commit=None,
        command="spirl evaluate kitchen",
    )
    return replace(base, **changes)
