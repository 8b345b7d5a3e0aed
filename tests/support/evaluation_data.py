"""Evaluations and rows of results, for tests of evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spirl_cli.stages.evaluate import execute
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from tests.support.agent_data import evaluation_context, pendulum_recipe

# What a row of results holds, in this order: programs that read results depend on it.
RESULT_FIELDS = (
    "env method metric mean low high seeds episodes policy env_steps order noise reward layout data commit command "
    "task condition study cell interval success"
)


def evaluate(store: Store, tmp_path: Path, agent: Artifact, name: str = "run", **options: Any) -> Any:
    """Evaluate an agent in a folder of its own, and return the context and the result of the stage."""
    recipe = pendulum_recipe()
    context = evaluation_context(tmp_path / name, recipe, {"agent": agent}, **options)
    return context, execute(context)
