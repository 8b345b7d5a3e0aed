"""Every kind of mistake in a recipe is said in spirl's own words, whatever pydantic's are."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spirl_cli.errors import UsageError
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.problems import _wanted


class Values(BaseModel):
    """One field for each kind of value that a section can have."""

    model_config = ConfigDict(allow_inf_nan=False)

    text: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    letters: Annotated[str, Field(pattern="^a+$")] = "a"
    whole: Annotated[int, Field(ge=1, le=9)] = 1
    number: Annotated[float, Field(gt=0, lt=2.5)] = 1.0
    truth: bool = True
    none: None = None
    items: Annotated[tuple[int, ...], Field(min_length=1, max_length=2)] = (1,)
    words: list[str] = []
    table: dict[str, int] = {}


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("text", 3, "be text"),
        ("text", "", "have at least 1 character"),
        ("text", "abcd", "have at most 3 characters"),
        ("letters", "b", "match ^a+$"),
        ("whole", "ten", "be an integer"),
        ("whole", 2.5, "be an integer"),
        ("whole", [], "be an integer"),
        ("whole", 1e99, "be a smaller integer"),
        ("whole", 0, "be greater than or equal to 1"),
        ("whole", 10, "be less than or equal to 9"),
        ("number", "x", "be a number"),
        ("number", [], "be a number"),
        ("number", 0, "be greater than 0"),
        ("number", 2.5, "be less than 2.5"),
        ("number", float("nan"), "be finite"),
        ("truth", "perhaps", "be true or false"),
        ("truth", [], "be true or false"),
        ("none", 1, "be null"),
        ("items", (), "have at least 1 item"),
        ("items", (1, 2, 3), "have at most 2 items"),
        ("items", 5, "be a list"),
        ("words", 5, "be a list"),
        ("table", 5, "be a mapping (lines of 'key: value')"),
    ],
)
def test_what_a_value_must_be(name: str, value: object, wanted: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Values.model_validate({name: value})
    assert _wanted(caught.value.errors()[0]) == wanted


def test_a_kind_of_error_that_is_not_known_is_quoted() -> None:
    assert _wanted({"type": "of_the_future", "msg": "Input should be new"}) == "be valid (Input should be new)"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("env.noise=-1", "env.noise must be greater than or equal to 0, not -1."),
        ("extract.validation_fraction=1.5", "extract.validation_fraction must be less than 1, not 1.5."),
        ("train_rl.steps=1e99", "train_rl.steps must be a smaller integer, not 1e+99."),
    ],
)
def test_mistakes_in_a_packaged_recipe(override: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("kitchen", overrides=[override])
    assert sentence in caught.value.message
