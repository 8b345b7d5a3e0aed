"""Options of stages that no recipe holds, and what they do to fingerprints."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.pipeline.graph import stage
from spirl_cli.pipeline.plan import PlannedStage, Request, plan
from spirl_cli.recipe.load import load_recipe
from spirl_cli.stages.context import EvaluateOptions
from spirl_cli.store.fingerprint import fingerprint
from spirl_cli.store.store import Store
from tests.support.datasets import SyntheticMinari

RECIPE = "env: {kind: kitchen}\nextract: {dataset: test/kitchen-v0}\n"


@pytest.fixture
def recipe_file(tmp_path: Path, synthetic_minari: SyntheticMinari) -> Path:
    path = tmp_path / "kitchen-test.yaml"
    path.write_text(RECIPE)
    return path


def planned(recipe_file: Path, options: EvaluateOptions, last: str = "evaluation") -> PlannedStage:
    store = Store(recipe_file.parent / "artifacts")
    return plan(Request(load_recipe(recipe_file), store, stage(last), evaluate=options))[-1]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (EvaluateOptions(step=500), {"step": 500}),
        (EvaluateOptions(step=0), {"step": 0}),
        (EvaluateOptions(save_dataset="mine/test-v0"), {"save_dataset": "mine/test-v0"}),
        (EvaluateOptions(500, "mine/test-v0"), {"step": 500, "save_dataset": "mine/test-v0"}),
    ],
)
def test_chosen_options_are_part_of_an_evaluations_fingerprint(
    recipe_file: Path, options: EvaluateOptions, named: dict[str, object]
) -> None:
    plain, chosen = planned(recipe_file, EvaluateOptions()), planned(recipe_file, options)
    assert "options" not in plain.parameters
    assert chosen.parameters == {**plain.parameters, "options": named}
    inputs = {name: value for name, value in chosen.inputs.items() if value is not None}
    assert chosen.fingerprint == fingerprint("evaluation", 1, chosen.parameters, inputs) != plain.fingerprint


def test_options_of_an_evaluation_leave_other_stages_alone(recipe_file: Path) -> None:
    options = EvaluateOptions(500, "mine/test-v0")
    assert planned(recipe_file, options, "agent") == planned(recipe_file, EvaluateOptions(), "agent")
