"""Studies: the two ways in, what is refused, and where the message points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spirl_cli.errors import UsageError
from spirl_cli.recipe import folder
from spirl_cli.recipe.layers import merge
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.yaml_places import Node, Place, parse_value
from spirl_cli.sweep.cells import Cell, as_yaml, cells_of
from spirl_cli.sweep.study import find_study, is_study, options_tree, read_seeds, read_study, study_tree
from tests.support.commands import SWING

STUDY = """\
# How long should a skill be?
recipe: swing.yaml
axes:
  method: [spirl, no-prior]
  train_skills.horizon: [3, 10]
seeds: 0-2
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("swing.yaml").write_text(SWING)


def cells(tree: Node) -> list[Cell]:
    return cells_of(read_study(tree), tree)


def from_file(text: str, **options: Any) -> list[Cell]:
    Path("study.yaml").write_text(text)
    return cells(merge(study_tree(Path("study.yaml")), options_tree(**options)))


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        for cell in from_file(text):
            cell.load()
    return f"{caught.value.message} {caught.value.hint}".strip()


def test_a_file_and_the_command_line_say_the_same() -> None:
    typed = options_tree(
        recipes=["swing.yaml"], methods="spirl,no-prior", seeds="0-2", grid=["train_skills.horizon=3,10"]
    )
    assert from_file(STUDY) == cells(typed)
    assert len(from_file(STUDY)) == 12


def test_a_cell_has_the_words_that_a_person_would_type() -> None:
    last = from_file(STUDY)[-1]
    assert last.label == "no-prior train_skills.horizon=10 seed=2"
    given = ("swing.yaml", "--method", "no-prior", "--set", "train_skills.horizon=10", "--set", "seed=2")
    assert last.words == given


def test_a_cell_is_the_recipe_that_run_with_a_seed_would_load() -> None:
    cell = from_file(STUDY)[1]
    by_hand = load_recipe("swing.yaml", method="spirl", overrides=["train_skills.horizon=3"], seed=1)
    assert cell.load().model_dump() == by_hand.model_dump() and by_hand.train_rl.seed == 1


def test_options_come_on_top_of_a_file() -> None:
    more = from_file(STUDY, seeds="0-3", grid=["train_rl.steps=600"], overrides=["evaluate.episodes=3"])
    assert len(more) == 16 and {cell.seed for cell in more} == {0, 1, 2, 3}
    assert set(more[0].overrides) == {"evaluate.episodes=3", "train_skills.horizon=3", "train_rl.steps=600"}


def test_cells_by_hand_stand_beside_those_of_the_axes() -> None:
    by_hand = "cells:\n  - {name: flat, method: flat-prior, seeds: 7}\n  - {set: {train_rl.steps: 700}}\n"
    *_, flat, first, second, third = from_file(STUDY + by_hand)
    assert (flat.name, flat.method, flat.seed) == ("flat", "flat-prior", 7)
    assert (first.overrides, first.method) == (("train_rl.steps=700",), None)
    assert [one.seed for one in (first, second, third)] == [0, 1, 2]


def test_without_axes_a_study_is_its_cells_by_hand() -> None:
    found = from_file("cells:\n  - {recipe: swing.yaml, method: sac}\n  - {recipe: kitchen, profile: quick}\n")
    assert [(cell.recipe, cell.method, cell.profile, cell.seed) for cell in found] == [
        ("swing.yaml", "sac", None, None),
        ("kitchen", None, "quick", None),
    ]


def test_recipes_can_be_an_axis() -> None:
    several = cells(options_tree(recipes=["swing.yaml", "kitchen"], seeds="0,4"))
    assert [(cell.recipe, cell.seed) for cell in several] == [
        ("swing.yaml", 0),
        ("swing.yaml", 4),
        ("kitchen", 0),
        ("kitchen", 4),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STUDY.replace("seeds", "sedes"), "study.yaml:6:1: sedes is not a known key. Did you mean 'seeds'?"),
        (STUDY.replace("0-2", "2-0"), "study.yaml:6:8: seeds '2-0' counts down: write 0-2."),
        (STUDY.replace("0-2", "few"), "study.yaml:6:8: seeds 'few' is not a list of seeds such as 0-2 or 0,1,5."),
        (
            STUDY.replace("train_skills.horizon", "train_skills.horizn"),
            "study.yaml:5:25: train_skills.horizn is not a known key. Did you mean 'horizon'?",
        ),
        (
            STUDY.replace("[3, 10]", "[3, ten]"),
            "study.yaml:5:29: train_skills.horizon must be an integer, not 'ten'.",
        ),
        (
            STUDY.replace("no-prior", "no-prio"),
            "study.yaml:4:19: There is no method 'no-prio'. Did you mean 'no-prior'?",
        ),
        (STUDY.replace("[spirl, no-prior]", "spirl"), "study.yaml:4:11: axes.method must be a list, not 'spirl'."),
        (
            STUDY.replace("swing.yaml", "kitchn"),
            "study.yaml:2:9: There is no recipe 'kitchn'. Did you mean 'kitchen'?",
        ),
        (
            STUDY + "draw: [{against: train_skills.horizn}]\n",
            "study.yaml:7:18: 'train_skills.horizn' is no axis of this study. Did you mean 'train_skills.horizon'?",
        ),
        (STUDY + "draw: [{against: method}]\n", "study.yaml:7:18: 'method' is no axis of numbers."),
        (STUDY.replace("recipe: swing.yaml\n", ""), "study.yaml:2:1: recipe is missing. name the recipe"),
        (
            STUDY + "cells: [{metod: sac}]\n",
            "study.yaml:7:10: cells[0].metod is not a known key. Did you mean 'method'?",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, message: str) -> None:
    assert message in refusal(text)


def test_a_wrong_option_is_named_as_it_was_typed() -> None:
    wrong = cells(options_tree(recipes=["swing.yaml"], grid=["train_rl.stepz=3,4"]))
    with pytest.raises(UsageError, match=r"^--grid train_rl.stepz=3,4: train_rl.stepz is not a known key"):
        wrong[0].load()


@pytest.mark.parametrize("grid", ["train_rl.steps", "=3", "train_rl.steps="])
def test_an_axis_needs_a_key_and_values(grid: str) -> None:
    with pytest.raises(UsageError, match="expected KEY=VALUE,VALUE"):
        options_tree(grid=[grid])


def test_a_value_may_hold_commas_within_brackets() -> None:
    typed = cells(options_tree(recipes=["swing.yaml"], grid=["train_rl.snapshots=[100,200],[]"]))
    assert [cell.load().train_rl.snapshots for cell in typed] == [(100, 200), ()]


@pytest.mark.parametrize(
    "value", [3, 1e-3, True, None, "no", "null", "3", "a: b", "# x", " x ", "[1", "", "spirl", [1, "a"]]
)
def test_a_value_reads_back_as_it_was(value: object) -> None:
    assert parse_value(as_yaml(value), Place("")).plain() == value


def test_seeds_are_ranges_and_single_numbers_each_once() -> None:
    assert read_seeds("0-2,5,1") == (0, 1, 2, 5)
    assert read_seeds(4) == (4,)


def test_a_study_is_told_from_a_recipe_and_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("recipes/studies").mkdir(parents=True)
    Path("recipes/studies/horizon.yaml").write_text(STUDY)
    Path("recipes/kitchen.yaml").write_text(SWING)
    monkeypatch.setattr(folder, "recipe_folder", lambda: tmp_path / "recipes")
    assert is_study(Path("recipes/studies/horizon.yaml")) and not is_study(Path("recipes/kitchen.yaml"))
    assert find_study("horizon") == find_study("studies/horizon") == tmp_path / "recipes/studies/horizon.yaml"
    assert find_study("kitchen") is None and find_study("swing.yaml") is None
    with pytest.raises(UsageError, match="Did you mean 'horizon'"):
        find_study("horizn")


def test_packaged_studies_are_no_recipes_and_plan() -> None:
    assert not any(name.startswith("studies/") for name in folder.packaged_recipes())
    assert folder.packaged_studies()
    for path in folder.packaged_studies().values():
        tree = study_tree(path)
        for cell in cells(tree):
            cell.load()
