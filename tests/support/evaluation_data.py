"""Evaluations and rows of results, for tests of evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from spirl_cli.evaluation.results import ResultRow
from spirl_cli.stages.evaluate import execute
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from tests.support.agent_data import evaluation_context, pendulum_recipe

# What a row of results holds, in this order: programs that read results depend on it.
RESULT_FIELDS = (
    "env method metric mean low high seeds episodes policy env_steps order noise reward layout data commit command"
)


def evaluate(store: Store, tmp_path: Path, agent: Artifact, name: str = "run", **options: Any) -> Any:
    """Evaluate an agent in a folder of its own, and return the context and the result of the stage."""
    recipe = pendulum_recipe()
    context = evaluation_context(tmp_path / name, recipe, {"agent": agent}, **options)
    return context, execute(context)


def make_row(**changes: Any) -> ResultRow:
    """Return a row of the kitchen in which some fields are changed."""
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
