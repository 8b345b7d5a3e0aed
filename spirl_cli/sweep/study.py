"""What a sweep consists of: a base recipe, axes, cells by hand and seeds, typed and validated.

A YAML file and the command line say the same things. Both become one tree of nodes
(:mod:`spirl_cli.recipe.yaml_places`), so that each value knows the line or the option that it
comes from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeInt, ValidationError

from spirl_cli.errors import UsageError, did_you_mean
from spirl_cli.recipe.folder import SUFFIXES, find_recipe, packaged_recipes, packaged_studies, shown
from spirl_cli.recipe.layers import read_tree
from spirl_cli.recipe.problems import describe
from spirl_cli.recipe.yaml_places import KeyPath, Node, Place, parse_value
from spirl_cli.settings import Section

COMMAND_LINE = Place("the command line")
_SEED_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_OF_A_STUDY = ("axes", "cells", "seeds", "recipe")  # keys that no recipe has


def read_seeds(value: object) -> object:
    """Return the seeds that ``0-2,5`` means, in order and once each; anything but text unchanged."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if not isinstance(value, str):
        return value
    seeds: list[int] = []
    for part in value.split(","):
        match = _SEED_RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"'{value}' is not a list of seeds such as 0-2 or 0,1,5")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"'{value}' counts down: write {last}-{first}")
        seeds += range(first, last + 1)
    return tuple(dict.fromkeys(seeds))


Seeds = Annotated[tuple[NonNegativeInt, ...], BeforeValidator(read_seeds), Field(min_length=1)]
Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class HandCell(Section):
    """A cell that is on no axis; what it leaves out is as the study says."""

    name: str | None = None
    recipe: str | None = None
    profile: str | None = None
    method: str | None = None
    seeds: Seeds | None = None
    set: dict[str, Any] = Field(default_factory=dict)


class Drawing(Section):
    """A chart of the last step's results against an axis of numbers, a curve for each combination of the others."""

    against: str
    metric: str | None = None  # null: each one that has results


class Study(Section):
    """A whole sweep: the product of its axes and its cells by hand, each with every seed.

    An axis is a dotted key of the recipe, as after ``--set``, or ``recipe``, ``profile`` or ``method``.
    """

    description: str = ""
    recipe: str | None = None
    profile: str | None = None
    method: str | None = None
    seeds: Seeds | None = None  # null: the seed that the recipe has
    set: dict[str, Any] = Field(default_factory=dict)
    axes: dict[str, Values] = Field(default_factory=dict)
    cells: tuple[HandCell, ...] = ()
    draw: tuple[Drawing, ...] = ()


def is_study(path: Path) -> bool:
    """Tell whether a YAML file describes a sweep, and not a recipe."""
    return any(key in read_tree(path).entries for key in _OF_A_STUDY)


def find_study(name: str) -> Path | None:
    """Return the file of a study: a path, or the name of a packaged one; None when it is a recipe's.

    Raises:
        UsageError: there is neither a study nor a recipe of this name.
    """
    studies = packaged_studies()
    known = name.removeprefix("studies/")
    if known in studies and name not in packaged_recipes():
        return studies[known]
    try:
        path = find_recipe(name)
    except UsageError as error:
        if name.endswith(SUFFIXES):
            raise
        close = did_you_mean(name, [*packaged_recipes(), *studies])
        raise UsageError(f"There is no recipe or study '{name}'.{close}", error.hint) from None
    return path if is_study(path) else None


def study_tree(path: Path) -> Node:
    """Return the tree of a study's file; the recipes that it names beside itself become paths.

    Raises:
        UsageError: the file cannot be read or is no mapping.
    """
    tree = read_tree(path)
    return _with_paths(tree, path.parent)


def options_tree(
    *,
    recipes: Sequence[str] = (),
    profile: str | None = None,
    methods: str | None = None,
    seeds: str | None = None,
    grid: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> Node:
    """Return what the options of the command line say as the tree of a study.

    Raises:
        UsageError: an option is not of its form.
    """
    axes: dict[str, Node] = {}
    if len(recipes) > 1:
        axes["recipe"] = _listed(list(recipes), COMMAND_LINE)
    if methods is not None:
        axes["method"] = _listed(methods.split(","), Place(f"--method {methods}"))
    for text in grid:
        key, values = _axis(text)
        axes[key] = values
    entries: dict[str, Node] = {}
    if len(recipes) == 1:
        entries["recipe"] = Node(recipes[0], COMMAND_LINE)
    if profile is not None:
        entries["profile"] = Node(profile, Place(f"--profile {profile}"))
    if seeds is not None:
        entries["seeds"] = Node(seeds, Place(f"--seeds {seeds}"))
    entries["axes"] = Node(axes, Place(""))
    entries["set"] = Node(dict(_override(text) for text in overrides), Place(""))
    return Node(entries, COMMAND_LINE)


def read_study(tree: Node) -> Study:
    """Validate the tree of a study.

    Raises:
        UsageError: for whatever is wrong in it, with file, line and column or the option.
    """
    try:
        study = Study.model_validate(tree.plain())
    except ValidationError as error:
        first, *others = describe(error, tree, _suggest)
        raise UsageError(first, f"{len(others)} more: {others[0]}" if others else "") from None
    _check_recipes(study, tree)
    _check_drawings(study, tree)
    return study


def _check_recipes(study: Study, tree: Node) -> None:
    """Refuse a study of which some cell has no recipe."""
    everywhere = study.recipe is not None or "recipe" in study.axes
    by_hand = not study.axes and study.cells and all(cell.recipe is not None for cell in study.cells)
    if not everywhere and not by_hand:
        raise UsageError(f"{tree.place}: recipe is missing.", "name the recipe that the cells have in common")


def _check_drawings(study: Study, tree: Node) -> None:
    """Refuse to draw against anything but an axis of numbers."""
    for number, drawing in enumerate(study.draw):
        node = tree.at(("draw", number, "against")) or tree
        values = study.axes.get(drawing.against, ())
        if not values:
            close = did_you_mean(drawing.against, study.axes)
            raise UsageError(f"{node.place}: '{drawing.against}' is no axis of this study.{close}")
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            raise UsageError(f"{node.place}: '{drawing.against}' is no axis of numbers.", "draw against one that is")


def _suggest(path: KeyPath, kind: object) -> str:
    nested: dict[str | int, type[Section]] = {"cells": HandCell, "draw": Drawing}
    model = nested.get(path[0], Study) if len(path) > 1 else Study
    return did_you_mean(str(path[-1]), model.model_fields)


def _listed(words: Sequence[str], place: Place) -> Node:
    return Node([Node(word.strip(), place) for word in words], place)


def _axis(text: str) -> tuple[str, Node]:
    """Read ``KEY=VALUE,VALUE``; a value is YAML and may hold commas within brackets or quotes."""
    place = Place(f"--grid {text}")
    key, equals, values = text.partition("=")
    if not equals or not key.strip() or not values.strip():
        raise UsageError(f"{place}: expected KEY=VALUE,VALUE.", "For example --grid train_skills.horizon=3,10,30.")
    return key.strip(), parse_value(f"[{values}]", place)


def _override(text: str) -> tuple[str, Node]:
    place = Place(f"--set {text}")
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"{place}: expected KEY=VALUE.", "For example --set train_rl.steps=100000.")
    return key.strip(), parse_value(value, place)


def _with_paths(tree: Node, folder: Path) -> Node:
    """Name recipes that lie beside the study's file by their paths."""
    entries = dict(tree.entries)
    if "recipe" in entries:
        entries["recipe"] = _beside(entries["recipe"], folder)
    axis = tree.at(("axes", "recipe"))
    if axis is not None and isinstance(axis.value, list):
        listed = replace(axis, value=[_beside(node, folder) for node in axis.value])
        entries["axes"] = replace(entries["axes"], value={**entries["axes"].entries, "recipe": listed})
    cells = tree.at(("cells",))
    if cells is not None and isinstance(cells.value, list):
        entries["cells"] = replace(cells, value=[_cell_with_path(node, folder) for node in cells.value])
    return replace(tree, value=entries)


def _cell_with_path(cell: Node, folder: Path) -> Node:
    if "recipe" not in cell.entries:
        return cell
    return replace(cell, value={**cell.entries, "recipe": _beside(cell.entries["recipe"], folder)})


def _beside(node: Node, folder: Path) -> Node:
    if isinstance(node.value, str) and node.value.endswith(SUFFIXES) and (folder / node.value).is_file():
        return replace(node, value=shown(folder / node.value))
    return node
