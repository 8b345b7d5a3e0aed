"""Packaged recipes, inheritance, profiles and overrides."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.domains.kitchen.section import KitchenSection
from spirl_cli.recipe.library import check_recipe, list_recipes, packaged_recipes
from spirl_cli.recipe.load import load_recipe
from tests.support.recipe_data import Write, error_of


@pytest.mark.parametrize("name", packaged_recipes())
def test_packaged_recipe_loads_with_every_profile(name: str) -> None:
    assert check_recipe(name) == []
    profiles = {info.name: info.profiles for info in list_recipes()}[name]
    assert "quick" in profiles
    for profile in (None, *profiles):
        recipe = load_recipe(name, profile=profile)
        assert recipe.id == name.replace("/", "-")
        assert recipe.profile == profile


@pytest.mark.parametrize("path", packaged_recipes().values(), ids=packaged_recipes())
def test_packaged_recipe_opens_with_a_comment_and_its_command(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    assert "spirl " in "\n".join(comment)


# --- inheritance, profiles, overrides, seeds ------------------------------------------------


def test_child_changes_only_what_it_names(write: Write, kitchen: Path) -> None:
    child = write("child.yaml", "extends: base.yaml\ntrain_skills:\n  horizon: 5\nenv:\n  tasks: [kettle]\ntrain_rl:\n")
    recipe = load_recipe(child)
    assert (recipe.train_skills.horizon, recipe.train_skills.learning_rate) == (5, 1e-3)
    assert isinstance(recipe.env, KitchenSection)
    assert (recipe.env.tasks, recipe.env.noise) == (("kettle",), 0.01)
    assert recipe.id == "child"


def test_profiles_are_inherited_and_merged(write: Write, kitchen: Path) -> None:
    child = write("child.yaml", "extends: base.yaml\nprofiles:\n  quick: {train_rl: {steps: 7}}\n  long:\n")
    quick = load_recipe(child, profile="quick")
    assert (quick.profile, quick.train_skills.iterations, quick.train_rl.steps) == ("quick", 20, 7)
    assert load_recipe(child, profile="long").train_skills == load_recipe(child).train_skills


def test_extends_reaches_over_several_files_and_folders(write: Write, kitchen: Path) -> None:
    write("a/middle.yaml", "extends: ../base.yaml\nseed: 4\n")
    leaf = write("a/b/leaf.yaml", "extends: ../middle.yaml\nenv: {noise: 0}\n")
    recipe = load_recipe(leaf)
    assert (recipe.seed, recipe.env.noise, recipe.train_skills.horizon) == (4, 0, 10)


def test_extends_accepts_a_packaged_name_even_in_a_file_of_that_name(write: Write, packaged: Path) -> None:
    own = write("kitchen.yaml", "extends: kitchen\nseed: 3\n")
    assert load_recipe(own).seed == 3
    assert load_recipe(write("mine.yaml", "extends: paper/kitchen\n")).train_skills.horizon == 5


def test_inheriting_from_itself_is_an_error(write: Write) -> None:
    write("a.yaml", "extends: b.yaml\n")
    write("b.yaml", "\nextends: a.yaml\n")
    assert error_of("a.yaml") == "b.yaml:2:10: a.yaml inherits from itself."


def test_another_kind_of_environment_replaces_the_section_also_in_profiles(write: Write) -> None:
    profiles = "profiles: {quick: {env: {tasks: [kettle]}, train_rl: {steps: 10}}}\n"
    write("kitchen.yaml", f"env: {{kind: kitchen, order: in-order}}\nextract: {{dataset: a/b}}\n{profiles}")
    text = "extends: kitchen.yaml\nenv: {kind: gymnasium, id: Pendulum-v1, episode_length: 200}\n"
    recipe = load_recipe(write("pendulum.yaml", text), profile="quick")
    assert isinstance(recipe.env, GymnasiumSection)
    assert (recipe.env.order, recipe.train_rl.steps) == (None, 10)


def test_override_values_are_yaml_and_may_contain_equals_signs(kitchen: Path) -> None:
    overrides = ["train_skills.beta=1e-3", "extract.dataset=x=y=z", "env.tasks=[kettle, 'light switch']", "seed=2"]
    recipe = load_recipe(kitchen, overrides=[*overrides, "train_rl.steps=100_000", "train_rl.steps=2e5"])
    assert recipe.train_skills.beta == 1e-3
    assert recipe.extract.dataset == "x=y=z"
    assert isinstance(recipe.env, KitchenSection) and recipe.env.tasks == ("kettle", "light switch")
    assert recipe.train_rl.steps == 200_000


def test_overrides_come_after_the_profile_and_their_order_does_not_matter_for_the_kind(kitchen: Path) -> None:
    assert load_recipe(kitchen, profile="quick", overrides=["train_rl.steps=5"]).train_rl.steps == 5
    overrides = ["env.id=Pendulum-v1", "env.episode_length=200", "env.kwargs={g: 9.8}", "env.kind=gymnasium"]
    env = load_recipe(kitchen, overrides=overrides).env
    assert isinstance(env, GymnasiumSection) and env.kwargs == {"g": 9.8}


def test_nulls_that_refer_to_other_sections_are_resolved(kitchen: Path) -> None:
    recipe = load_recipe(kitchen, overrides=["evaluate.seed=9", "seed=1"], seed=5)
    seeds = [recipe.extract.seed, recipe.train_skills.seed, recipe.train_prior.seed, recipe.train_rl.seed]
    assert (recipe.seed, seeds, recipe.evaluate.seed) == (5, [5] * 4, 9)
    assert recipe.extract.observation == recipe.env.observation
    assert recipe.train_prior.augmentation == recipe.train_skills.augmentation
    assert recipe.train_skills.augmentation.independent == 0.5


def test_null_takes_back_an_inherited_mapping(write: Write, kitchen: Path) -> None:
    write("middle.yaml", "extends: base.yaml\ntrain_prior: {augmentation: {independent: 0.9}}\n")
    leaf = write("leaf.yaml", "extends: middle.yaml\ntrain_prior: {augmentation: null}\n")
    augmentation = load_recipe(leaf).train_prior.augmentation
    assert augmentation is not None and augmentation.independent == 0.5
