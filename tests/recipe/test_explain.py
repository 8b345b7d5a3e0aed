"""`spirl recipe explain`: every key has a sentence, read off the comments of the sections."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import Field

from spirl_cli.cli.app import run
from spirl_cli.domains.registry import kinds
from spirl_cli.recipe.explain import KeyMeaning, description, explain, explain_all
from spirl_cli.recipe.fields import FROM_FILE_NAME, dotted_keys
from spirl_cli.settings import Section

EVERY = explain_all()


class Commented(Section):
    """A section with each kind of comment."""

    # first line,
    # second line. Unit: m
    above: float = 1.0
    beside: int = 2  # Try: 3
    both: tuple[int, ...] = (  # left out
        1,
        2,
    )  # the end
    hash: str = "# no comment"
    ranged: Annotated[int, Field(ge=1)] = 1

    # not about a field


class Inheriting(Commented):
    """A section that says more of one field."""

    above: float = 1.0  # anew


def one(key: str, kind: str = "kitchen") -> KeyMeaning:
    (found,) = (one for one in EVERY if one.key == key and kind in one.kinds)
    return found


def test_every_key_of_every_section_has_a_sentence() -> None:
    assert [one.key for one in EVERY if len(one.meaning) < 10] == []
    assert [one.key for one in EVERY if not one.meaning.endswith(".") or one.meaning[0].islower()] == []


@pytest.mark.parametrize("kind", kinds())
def test_every_key_that_a_recipe_can_have_is_explained(kind: str) -> None:
    assert {one.key for one in EVERY if kind in one.kinds} == dotted_keys(kind) - FROM_FILE_NAME


def test_defaults_fit_the_types_that_are_said() -> None:
    nulls = [one for one in EVERY if not one.required and one.default is None]
    assert len(nulls) > 30 and [one.key for one in nulls if "null" not in one.type] == []
    choices = [one for one in EVERY if one.type.startswith("one of ") and isinstance(one.default, str)]
    assert len(choices) > 10 and [one.key for one in choices if one.default not in one.type] == []


@pytest.mark.parametrize(
    ("key", "kind", "type", "default"),
    [
        ("train_skills.horizon", "kitchen", "an integer, greater than 0", 10),
        ("train_rl.discount", "maze", "a number, greater than 0, at most 1", 0.99),
        ("train_prior.family", "kitchen", "one of gaussian, mixture, flow, ensemble", "gaussian"),
        ("train_rl.reward_scale", "blocks", "a number, greater than 0 or auto or null", None),
        ("evaluate.policies", "maze", "a list, each one of sampled, mean, at least 1", ["sampled", "mean"]),
        ("env.success_key", "gymnasium", "text or null", None),
    ],
)
def test_types_and_defaults_are_those_of_the_sections(key: str, kind: str, type: str, default: Any) -> None:
    assert (one(key, kind).type, one(key, kind).default) == (type, default)


def test_units_and_advice_are_told_apart_from_the_meaning() -> None:
    steps = one("train_rl.target_divergence")
    assert steps.unit == "nats" and "half of it" in steps.advice and "Try" not in steps.meaning
    assert one("env.id", "gymnasium").required


def test_a_key_with_several_meanings_is_explained_for_each_domain() -> None:
    meanings = {kind: found.meaning for found in explain("env.order") for kind in found.kinds}
    assert meanings.keys() == set(kinds())
    assert "any order" in meanings["kitchen"] and "Always null" in meanings["gymnasium"]


def test_comments_are_found_above_and_beside() -> None:
    texts = {name: description(Commented, name) for name in Commented.model_fields}
    assert texts == {
        "above": "first line, second line. Unit: m",
        "beside": "Try: 3",
        "both": "the end",
        "hash": "",
        "ranged": "",
    }
    assert (description(Inheriting, "above"), description(Inheriting, "beside")) == ("anew", "Try: 3")


def test_one_key_is_printed_with_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "explain", "train_skills.target_kl"]) == 0
    printed = capsys.readouterr().out
    for text in ("train_skills.target_kl\n", "unit     nats per latent dimension", "default  null", "try      1.0"):
        assert text in printed


def test_a_section_is_printed_with_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "explain", "train_skills.augmentation"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "train_skills.augmentation"
    assert any(line.startswith("train_skills.augmentation.state_noise.sigma: ") for line in lines)


def test_without_a_key_all_are_listed_by_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "explain", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["key"] for entry in listed] == [one.key for one in EVERY]
    assert run(["recipe", "explain"]) == 0
    sections = [text.split(":")[0] for text in capsys.readouterr().out.split("\n\n")]
    assert sections == ["description", "seed", "env", "extract", "train_skills", "train_prior", "train_rl", "evaluate"]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("horizon", "'train_skills.horizon'"),
        ("train_rl.stepz", "'train_rl.steps'"),
        ("evaluate.seed_", "'evaluate.seed'"),
    ],
)
def test_unknown_keys_get_a_suggestion(key: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "explain", key]) == 2
    assert f"Did you mean {meant}" in capsys.readouterr().err
