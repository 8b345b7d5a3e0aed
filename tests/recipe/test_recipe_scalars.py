"""Scalars of YAML 1.2, and indices."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.errors import UsageError
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.yaml_places import read_scalar
from spirl_cli.settings import expand_indices
from tests.support.recipe_data import Write, error_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-2.5e+1", -25.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("40_000", 40000),
        ("010", 10),
        ("-7", -7),
        ("true", True),
        ("~", None),
        ("", None),
        ("18:39", "18:39"),  # PyYAML: 1119
        ("2024-01-01", "2024-01-01"),  # PyYAML: a date
        ("off", "off"),  # PyYAML: False
        ("1e", "1e"),
        ("D4RL/kitchen/mixed-v2", "D4RL/kitchen/mixed-v2"),
    ],
)
def test_a_scalar_is_what_a_reader_takes_it_for(text: str, value: object) -> None:
    found = read_scalar(text)
    assert found == value and type(found) is type(value)


def test_quoted_numbers_stay_text_and_aliases_work(write: Write, kitchen: Path) -> None:
    text = 'extends: base.yaml\nenv: {observation: &o [{key: "1", indices: [0:9]}]}\nextract: {observation: *o}\n'
    recipe = load_recipe(write("child.yaml", text))
    assert recipe.env.observation[0].key == "1"
    assert recipe.extract.observation == recipe.env.observation
    assert "alias contains itself" in error_of(write("loop.yaml", "env: &a {kwargs: *a}\n"))


def test_indices_are_like_pythons() -> None:
    numbers = list(range(12))
    assert expand_indices(None, 3) == [0, 1, 2]
    assert expand_indices((3, -1, "0:2"), 12) == [3, 11, 0, 1]
    for text, part in ((":4", slice(4)), ("8:", slice(8, None)), ("-3:-1", slice(-3, -1)), ("1:9:3", slice(1, 9, 3))):
        assert expand_indices((text,), 12) == numbers[part]


@pytest.mark.parametrize("index", [12, -13, "0:13", "20:", "5:5", "9:3", "1:2:0", "1-2", "a:b"])
def test_indices_outside_are_refused(index: int | str) -> None:
    with pytest.raises(UsageError, match=str(index)):
        expand_indices((index,), 12)
