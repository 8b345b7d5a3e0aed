"""Fingerprints of the packaged recipes: artifacts that users have stay up to date from one version to the next.

`fingerprints.json` pins them for every recipe, profile and method. Where a result really changes, the stage's version
is raised and the file is made anew by `python -m tests.recipe.test_fingerprints`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spirl_cli.pipeline.graph import PRIOR_EVALUATION, STAGES, for_recipe
from spirl_cli.recipe.folder import packaged_recipes
from spirl_cli.recipe.layers import packaged_methods, read_layers
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.schema import Recipe
from spirl_cli.stages.context import StageSpec
from spirl_cli.stages.extract import identify
from spirl_cli.store.fingerprint import fingerprint

PINNED = Path(__file__).with_name("fingerprints.json")
OF_A_DATASET = "0" * 12  # stands for the content of a dataset that may not be here


def fingerprints(recipe: Recipe) -> dict[str, str]:
    """Return the fingerprint of every stage of a recipe."""
    found: dict[str, str] = {}

    def add(name: str, spec: StageSpec) -> None:
        inputs = {one: found[one] for one in spec.inputs}
        if spec.reads_dataset:
            inputs["dataset"] = _dataset(recipe)
        found[name] = fingerprint(spec.name, spec.version, spec.parameters(recipe), inputs)

    for spec in STAGES:
        add(spec.name, for_recipe(spec, recipe))
    add("prior evaluation", PRIOR_EVALUATION)
    return found


def _dataset(recipe: Recipe) -> str:
    if recipe.extract.source not in ("planner", "scripted"):
        return OF_A_DATASET
    record = identify(recipe)
    assert record is not None
    return record.fingerprint


def of_packaged_recipe(name: str) -> dict[str, dict[str, str]]:
    """Return the fingerprints of a recipe with each of its profiles and methods, by what one types."""
    layers = read_layers(packaged_recipes()[name])
    found = {}
    for profile in (None, *layers.profiles):
        for method in (None, *packaged_methods(), *layers.methods):
            chosen = [*([f"--profile {profile}"] if profile else []), *([f"--method {method}"] if method else [])]
            found[" ".join([name, *chosen])] = fingerprints(load_recipe(name, profile=profile, method=method))
    return found


@pytest.mark.parametrize("name", packaged_recipes())
def test_fingerprints_of_packaged_recipes_stay(name: str) -> None:
    pinned = json.loads(PINNED.read_text())
    for typed, now in of_packaged_recipe(name).items():
        assert now == pinned[typed], f"the fingerprints of `{typed}` changed: users would train anew"


def test_no_pinned_recipe_has_gone() -> None:
    known = {typed.split()[0] for typed in json.loads(PINNED.read_text())}
    assert known == set(packaged_recipes())


if __name__ == "__main__":
    everything = [of_packaged_recipe(name) for name in packaged_recipes()]
    PINNED.write_text(
        json.dumps({key: value for one in everything for key, value in one.items()}, indent=1, sort_keys=True) + "\n"
    )
