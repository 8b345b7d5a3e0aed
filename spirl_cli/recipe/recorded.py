"""The recipe that a manifest remembers, as a starting point where no recipe is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from spirl_cli.errors import UsageError
from spirl_cli.recipe.layers import merge_recipes, read_overrides
from spirl_cli.recipe.problems import describe, reserved_keys
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.yaml_places import Node, Place


def recorded_recipe(
    data: Mapping[str, Any], where: str, overrides: Sequence[str] = (), changes: Mapping[str, Any] | None = None
) -> Recipe:
    """Rebuild a resolved recipe from plain data and apply overrides.

    Args:
        data: what `Recipe.model_dump(mode="json")` gave when the artifact was made.
        where: what messages call it, such as `the recipe of kitchen/agent@v2`.
        overrides: as after `--set`.
        changes: what had been changed in the recipe of that name, value by dotted key.

    Raises:
        UsageError: an override is wrong, or this version does not know the recipe's keys.
    """
    place = Place(where)
    names = {key: data.get(key) for key in ("id", "profile", "method")}
    sections = {key: value for key, value in data.items() if key not in names}
    tree = merge_recipes(_node(sections, place), read_overrides(overrides))
    problems = reserved_keys(tree)
    try:
        recipe = Recipe.model_validate({**tree.plain(), **names})
    except ValidationError as error:
        problems += describe(error, tree)
    if problems:
        raise UsageError(problems[0], "Naming a recipe on the command line uses that one instead.")
    before = (lambda: recipe) if not overrides else (lambda: recorded_recipe(data, where))
    return recipe.known_as(before, changes)


def _node(value: Any, place: Place) -> Node:
    if isinstance(value, Mapping):
        return Node({key: _node(item, place) for key, item in value.items()}, place, place)
    if isinstance(value, list | tuple):
        return Node([_node(item, place) for item in value], place)
    return Node(value, place)
