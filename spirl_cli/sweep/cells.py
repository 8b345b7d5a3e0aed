"""The cells of a study: which recipe, method, settings and seed each one has, in the words of the command line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spirl_cli.errors import UsageError
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.yaml_places import KeyPath, Node, Place, parse_value
from spirl_cli.sweep.study import HandCell, Study

_WORDS = ("recipe", "profile", "method")  # axes that are no keys of a recipe


@dataclass(frozen=True)
class Cell:
    """One point of a sweep.

    Attributes:
        name: its settings, without the seed: all seeds of a condition share it.
        recipe: name or path of the recipe.
        profile, method: as after ``--profile`` and ``--method``.
        overrides: as after ``--set``, without the seed.
        seed: of the whole pipeline; None leaves the one that the recipe has.
        settings: value of each axis; empty for a cell by hand.
        places: where the words above were written, for messages.
    """

    name: str
    recipe: str
    profile: str | None = None
    method: str | None = None
    overrides: tuple[str, ...] = ()
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)

    @property
    def label(self) -> str:
        """The name with the seed."""
        return self.name if self.seed is None else f"{self.name} seed={self.seed}"

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments that every command of this cell takes."""
        seed = [] if self.seed is None else [f"seed={self.seed}"]
        return (
            self.recipe,
            *(("--profile", self.profile) if self.profile else ()),
            *(("--method", self.method) if self.method else ()),
            *(word for text in (*self.overrides, *seed) for word in ("--set", text)),
        )

    def load(self) -> Recipe:
        """Load the cell's recipe.

        Raises:
            UsageError: one of the settings is wrong, with the place where it was written.
        """
        try:
            return load_recipe(
                self.recipe, profile=self.profile, overrides=self.overrides, seed=self.seed, method=self.method
            )
        except UsageError as error:
            raise UsageError(self._placed(error.message), error.hint) from None

    def _placed(self, message: str) -> str:
        for text, place in self.places.items():
            option = f"--set {text}"
            if message.startswith(option):
                return f"{place}{message.removeprefix(option)}"
        for text, place in self.places.items():
            if f"'{text}'" in message:
                return f"{place}: {message}"
        return message


def cells_of(study: Study, tree: Node) -> list[Cell]:
    """Return the cells of a study, seeds last, each once.

    Args:
        study: the validated study.
        tree: what it was read from, for the places.
    """
    fixed = {"recipe": study.recipe, "profile": study.profile, "method": study.method, **study.set}
    fixed_places = {key: _place(tree, (key,)) for key in _WORDS}
    fixed_places |= {key: _place(tree, ("set", key)) for key in study.set}
    cells = []
    if study.axes or not study.cells:
        for values, places in _products(study, tree):
            whole = _seeded(_name(values, study), {**fixed, **values}, {**fixed_places, **places}, study.seeds)
            cells += [replace(cell, settings=values) for cell in whole]
    for number, hand in enumerate(study.cells):
        values = {key: value for key in _WORDS if (value := getattr(hand, key)) is not None} | hand.set
        places = {key: _place(tree, ("cells", number, *(() if key in _WORDS else ("set",)), key)) for key in values}
        name = hand.name or _name(values, study)
        cells += _seeded(name, {**fixed, **values}, {**fixed_places, **places}, _seeds(hand, study))
    return list(dict.fromkeys(cells))


def as_yaml(value: Any) -> str:
    """Write a value so that it reads back the same after ``--set KEY=``, bare where that is possible."""
    if isinstance(value, str) and not any(mark in value for mark in "#:\n") and value == value.strip():
        try:
            if parse_value(value, Place("")).value == value:
                return value
        except UsageError:
            pass
    return json.dumps(value, ensure_ascii=False)


def _products(study: Study, tree: Node) -> Iterator[tuple[dict[str, Any], dict[str, Place]]]:
    """Yield each combination of the axes' values, with the places where they were written."""
    axes = [[(key, number) for number in range(len(values))] for key, values in study.axes.items()]
    for chosen in itertools.product(*axes):
        values = {key: study.axes[key][number] for key, number in chosen}
        yield values, {key: _place(tree, ("axes", key, number)) for key, number in chosen}


def _seeds(hand: HandCell, study: Study) -> tuple[int, ...] | None:
    return study.seeds if hand.seeds is None else hand.seeds


def _seeded(
    name: str, values: Mapping[str, Any], places: Mapping[str, Place], seeds: tuple[int, ...] | None
) -> list[Cell]:
    texts = {key: f"{key}={as_yaml(value)}" for key, value in values.items() if key not in _WORDS}
    written = {texts.get(key, str(values[key])): place for key, place in places.items() if values.get(key) is not None}
    return [
        Cell(
            name,
            str(values["recipe"]),
            _word(values["profile"]),
            _word(values["method"]),
            tuple(texts.values()),
            seed,
            places=written,
        )
        for seed in (seeds or (None,))
    ]


def _word(value: Any) -> str | None:
    return None if value is None else str(value)


def _name(values: Mapping[str, Any], study: Study) -> str:
    """Write the settings that make a cell special, short keys where they are unique."""
    if not values:
        return str(study.recipe)
    return " ".join(str(value) if key in _WORDS else f"{key}={as_yaml(value)}" for key, value in values.items())


def _place(tree: Node, path: KeyPath) -> Place:
    node = tree.at(path)
    return node.place if node is not None else tree.place
