"""Recipes that are too much: each is refused within a moment, with a sentence and its place."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from spirl_cli.errors import UsageError
from spirl_cli.recipe.layers import MAX_CHAIN
from spirl_cli.recipe.library import check_recipe
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.yaml_limits import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES
from spirl_cli.recipe.yaml_places import parse_yaml
from tests.support.commands import RunCli
from tests.support.recipe_data import Write, error_of

SECONDS = 2.0


def bomb(levels: int, width: int) -> str:
    """Return lists of aliases of lists of aliases: width to the power of levels values."""
    lines = [f"k0: &k0 [{', '.join('x' * width)}]"]
    lines += [f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


TOO_MUCH: dict[str, tuple[str, str]] = {
    "100,000 brackets": ("[" * 100_000, "nest"),
    "100,000 dashes": ("- " * 100_000, "nested more than"),
    "100,000 question marks": ("? " * 100_000, "nested more than"),
    "mappings in mappings": ("{a: " * 3_000, "nested more than"),
    "aliases of aliases": (bomb(12, 9), "aliases written out"),
    "aliases that nest": (bomb(3_000, 1), "aliases nest"),
    "an alias of itself": ("a: &a [*a]", "an alias contains itself"),
    "many values": ("a: [" + "1," * (MAX_NODES + 1) + "]", "aliases written out"),
    "many keys": ("\n".join(f"k{n}: 1" for n in range(MAX_NODES)), "aliases written out"),
    "a long text": ("#" * (MAX_CHARACTERS + 1), "characters"),
    "digits": ("seed: " + "9" * 5_000, "is too large"),
    "an integer of 64 bits": (f"seed: {2**63}", "is too large"),
    "a range of digits": (f"a: '0:{'9' * 5000}'", "not a known key"),
    "many profiles": ("profiles: {" + ", ".join(f"p{n}: {{}}" for n in range(200)) + "}", "at most"),
    "a path with a zero byte": ('extends: "a\\0b"', "extends must be"),
    "a long path": (f"extends: {'a' * 5_000}", "There is no recipe"),
    "a path of many folders": (f"extends: {'a/' * 5_000}b.yaml", "there is no file"),
    "an unknown key without end": ("extends: base.yaml\n" + "k" * 900 + ": 1", "not a known key"),
    "hundreds of unknown keys": ("extends: base.yaml\n" + "\n".join(f"k{n}: 1" for n in range(3_000)), "not a known"),
    "too many environments": ("extends: base.yaml\ntrain_rl: {environments: 1000000}", "less than or equal"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_much_is_refused_at_once(name: str, write: Write, kitchen: object) -> None:
    text, expected = TOO_MUCH[name]
    path, begun = write("odd.yaml", text), time.perf_counter()
    message = error_of(path)
    assert time.perf_counter() - begun < SECONDS
    assert expected in message and "odd.yaml:" in message and len(message) < 12_000


def test_what_is_just_enough_is_read() -> None:
    assert parse_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH, "here").value
    assert len(parse_yaml("[" + "1," * (MAX_NODES - 2) + "]", "here").plain()) == MAX_NODES - 2
    shared = parse_yaml("a: &a [1, 2]\nb: [*a, *a]\nc: &c 3\nd: *c", "here")
    assert shared.plain() == {"a": [1, 2], "b": [[1, 2], [1, 2]], "c": 3, "d": 3}


@pytest.mark.parametrize(("files", "fine"), [(MAX_CHAIN, True), (MAX_CHAIN + 2, False), (1_500, False)])
def test_a_chain_of_recipes_has_an_end(files: int, fine: bool, write: Write, kitchen: object) -> None:
    for number in range(1, files):
        write(f"r{number}.yaml", f"extends: {'base' if number == 1 else f'r{number - 1}'}.yaml\n")
    last = f"r{files - 1}.yaml"
    if fine:
        assert load_recipe(last).train_skills.horizon == 10
    else:
        assert "inherit from one another" in error_of(last)


def test_recipes_that_inherit_may_not_be_long_together(write: Write, kitchen: object) -> None:
    filling = "#" * (MAX_CHARACTERS - 100)
    for number in range(1, 6):
        write(f"r{number}.yaml", f"extends: {'base' if number == 1 else f'r{number - 1}'}.yaml\n{filling}")
    assert "too long" in error_of("r5.yaml")


def test_a_check_of_many_mistakes_names_the_first_ones(write: Write, kitchen: object) -> None:
    path = write("odd.yaml", "extends: base.yaml\ntrain_rl: {" + ", ".join(f"k{n}: 1" for n in range(5_000)) + "}")
    begun = time.perf_counter()
    problems = check_recipe(path)
    assert 1 < len(problems) < 1_000 and time.perf_counter() - begun < 4 * SECONDS


# truth values


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off"])
@pytest.mark.parametrize("where", ["env: {{kwargs: {{a: {}}}}}", "env: {{kwargs: {{a: [1, {{b: {}}}]}}}}", "seed: {}"])
def test_a_word_that_readers_do_not_agree_on_is_refused(word: str, where: str, write: Write, kitchen: object) -> None:
    path = write("odd.yaml", where.format(word))
    with pytest.raises(UsageError, match=rf"odd.yaml:1:.*'{word}' is a truth value") as caught:
        load_recipe(path)
    meant = "true" if word.lower() in ("yes", "on") else "false"
    assert caught.value.hint == f"Write {meant}, or the text in quotes: '\"{word}\"'."


def in_kwargs(write: Write) -> Callable[[str], object]:
    recipe = write("own.yaml", "env: {kind: gymnasium, id: A-v0, episode_length: 9}\nextract: {dataset: a/b-v0}\n")
    return lambda value: load_recipe(recipe, overrides=[f"env.kwargs.sparse={value}"]).env.model_dump()["kwargs"]


def test_set_reads_truth_values_as_a_file_does(write: Write) -> None:
    kwargs = in_kwargs(write)
    assert kwargs("false") == {"sparse": False} and kwargs('"no"') == {"sparse": "no"} and kwargs("nope")
    for value in ("no", "[on]", "{a: Yes}"):
        with pytest.raises(UsageError, match=r"--set env.kwargs.sparse=.* is a truth value"):
            kwargs(value)


# names of recipes


def test_recipes_have_names_of_their_own_in_every_script(write: Write, kitchen: object) -> None:
    names = ["实验一", "кухня", "कि", "का", "été", "e\u0301te\u0301", "a b", "🚀", "🛸"]
    ids = [load_recipe(write(f"{name}.yaml", "extends: base.yaml\n")).id for name in names]
    assert ids[:7] == ["实验一", "кухня", "कि", "का", "été", "été", "a-b"]
    assert len({*ids}) == len(ids) - 1 and all(one.startswith("recipe-") for one in ids[7:])


def test_recipes_in_other_scripts_are_filed_and_found(run_cli: RunCli, write: Write, synthetic_minari: object) -> None:
    for name, horizon in (("实验一", 5), ("кухня", 7)):
        text = f"extends: gymnasium\nextract: {{dataset: test/pendulum-v0}}\ntrain_skills: {{horizon: {horizon}}}\n"
        write(f"{name}.yaml", text + "env: {id: Pendulum-v1, episode_length: 60}\n")
        assert f"{name}/clips/v001-" in run_cli("extract", f"{name}.yaml").stdout
    listed = run_cli("list").stdout
    assert "实验一/clips@v1" in listed and "кухня/clips@v1" in listed
    assert "dataset" in run_cli("lineage", "кухня/clips").stdout
