"""From a recipe's name or file to a complete, validated `spirl_cli.recipe.schema.Recipe`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from spirl_cli.errors import UsageError
from spirl_cli.recipe.folder import find_recipe, recipe_id
from spirl_cli.recipe.layers import Layers, merge, merge_recipes, packaged_methods, read_layers, read_overrides
from spirl_cli.recipe.paths import folders_beside, located_dataset
from spirl_cli.recipe.problems import describe, reserved_keys
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.sections.evaluate import EvaluateSection
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.recipe.yaml_places import Node, Place

StageSection = TypeVar(
    "StageSection", ExtractSection, TrainSkillsSection, TrainPriorSection, TrainRLSection, EvaluateSection
)


def load_recipe(
    ref: str | Path,
    *,
    profile: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    method: str | None = None,
) -> Recipe:
    """Load a recipe: what it inherits, then itself, the method, the profile, the overrides and the seed.

    Args:
        ref: name of a packaged recipe (`kitchen`, `paper/kitchen` or `paper-kitchen`) or a
            path to a YAML file.
        profile: one of the recipe's profiles, such as `quick`.
        overrides: `train_rl.steps=1e5`: a dotted key and a value in YAML.
        seed: the recipe's seed; sections that name a seed of their own keep it.
        method: one of `methods.yaml`, or of the recipe; None: the recipe as it stands.

    Returns:
        The recipe, in which nothing refers to another section any more: every section has its
        seed, `extract.observation` and `train_prior.augmentation` are filled in.

    Raises:
        UsageError: for an unknown recipe, method or profile and for whatever is wrong in it, with file,
            line and column or the option.
    """
    layers = read_layers(find_recipe(ref)).with_method(method)
    tree = merge_recipes(layers.with_profile(profile), read_overrides(overrides))
    if seed is not None:
        place = Place(f"--seed {seed}")
        tree = merge(tree, Node({"seed": Node(seed, place, place)}, tree.place))
    recipe, problems = _validate(tree, layers, profile, method)
    if recipe is None:
        raise _usage_error(problems)
    return recipe.known_as(partial(_named, layers, profile, method, recipe)) if overrides else recipe


def _named(layers: Layers, profile: str | None, method: str | None, overridden: Recipe) -> Recipe:
    """Return a recipe without its overrides; where it needs some of them, it is the recipe as it is."""
    recipe, _ = _validate(layers.with_profile(profile), layers, profile, method)
    return overridden if recipe is None else recipe


def check_layers(layers: Layers) -> list[str]:
    """Return the problems of a recipe as it stands, of each of its profiles and with each method."""
    _, problems = _validate(layers.base, layers)
    trees = {f"profile '{name}'": layers.with_profile(name) for name in layers.profiles}
    trees |= {f"method '{name}'": layers.with_method(name).base for name in (*packaged_methods(), *layers.methods)}
    for name, tree in trees.items():
        _, found = _validate(tree, layers)
        problems += [f"{problem} ({name})" for problem in found if problem not in problems]
    return problems


def _validate(
    tree: Node, layers: Layers, profile: str | None = None, method: str | None = None
) -> tuple[Recipe | None, list[str]]:
    """Return the recipe, or None and what is wrong with it."""
    problems = reserved_keys(tree)
    data = {**tree.plain(), "id": recipe_id(layers.path), "profile": profile, "method": method}
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        return None, problems + describe(error, tree)
    if problems:
        return None, problems
    try:
        return _complete(recipe, layers.path.parent, tree), []
    except UsageError as error:
        return None, [f"{error.message}. {error.hint}" if error.hint else error.message]


def _complete(recipe: Recipe, folder: Path, tree: Node) -> Recipe:
    """Fill in all that the recipe refers to: values from elsewhere in it, and files.

    Args:
        recipe: as it stands.
        folder: the recipe's.
        tree: where its values were written.
    """
    named = (tree.at(("env", key)) for key in recipe.env.file_keys)
    places = [place for node in named for place in folders_beside(node)]
    extract, env = recipe.extract, recipe.env.with_files(Path(places[0]) if places else folder)
    if extract.dataset is not None:
        dataset = tree.at(("extract", "dataset"))
        found = tuple(located_dataset(name, extract.source, dataset) for name in extract.datasets)
        extract = extract.model_copy(update={"dataset": found if len(found) > 1 else found[0]})
    if extract.observation is None:  # images that can be drawn from states are not stored
        extract = extract.model_copy(update={"observation": env.stored_parts})
    train_skills, train_rl = _with_units(recipe)
    train_prior = recipe.train_prior
    if train_prior.augmentation is None:
        train_prior = train_prior.model_copy(update={"augmentation": recipe.train_skills.augmentation})
    sections = {
        "env": env,
        "extract": _seeded(extract, recipe.seed),
        "train_skills": _seeded(train_skills, recipe.seed),
        "train_prior": _seeded(train_prior, recipe.seed),
        "train_rl": _seeded(train_rl, recipe.seed),
        "evaluate": _seeded(recipe.evaluate, recipe.seed),
    }
    return recipe.model_copy(update=sections)


def _with_units(recipe: Recipe) -> tuple[TrainSkillsSection, TrainRLSection]:
    """Scale actions, states and rewards where the domain does not know their units and the recipe does not say."""
    skills, learning = recipe.train_skills, recipe.train_rl
    if recipe.env.known_units:
        return skills, learning
    if skills.units is None:
        skills = skills.model_copy(update={"units": "scaled"})
    if learning.reward_scale is None:
        learning = learning.model_copy(update={"reward_scale": "auto"})
    return skills, learning


def _seeded(section: StageSection, seed: int) -> StageSection:
    return section if section.seed is not None else section.model_copy(update={"seed": seed})


def _usage_error(problems: list[str]) -> UsageError:
    others = problems[1:]
    more = f"{len(others)} more: {others[0]}" if others else ""
    return UsageError(problems[0], more)
