"""Random recipes, `--set` texts, manifests and other JSON, near enough to real ones to reach what lies behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from hypothesis import strategies as st

from spirl_cli.recipe.fields import dotted_keys
from spirl_cli.recipe.folder import packaged_recipes
from spirl_cli.recipe.load import load_recipe

Path = tuple[str | int, ...]

WORDS = (
    *("yes", "no", "on", "off", "true", "null", "~", ".inf", ".nan", "-.inf", "1e999", "1e-3", "0x1F", "0o7", "010"),
    *("18:39", "0:9", "::", "-1:", "2024-01-01", "!!python/object:x", "&a [*a]", "*a", "<<", "? a", "- ", "|", ">"),
    *("../x", "/", "/dev/null", "/dev/zero", ".", "~", "~nobody/x", "$X", "${", "a/b-v0", "a" * 300, "x.hdf5"),
    *("kitchen", "maze", "mixture", "auto", "planner", "scripted", "\t", "\u202e", "\x85", "'", '"', "[", "{"),
)
ODD_TEXT = st.sampled_from(WORDS) | st.text(max_size=12)
NUMBERS = (
    st.integers()
    | st.sampled_from([0, -1, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1e308, 5e-324, -0.0])
)
LEAVES = st.none() | st.booleans() | NUMBERS | ODD_TEXT
ODD: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXT, inner, max_size=4), max_leaves=8
)
YAML_TOKENS = (
    *WORDS,
    "\n",
    "\n  ",
    ": ",
    ", ",
    "- ",
    "# ",
    "&a ",
    "*a ",
    "!x ",
    "'",
    '"',
    "%",
    "@",
    "`",
    "\r",
    "---\n",
)


def recipe_values() -> list[dict[str, Any]]:
    """Return the packaged recipes as plain values, as a user's own file could hold them."""
    loaded = (load_recipe(name).model_dump(mode="json") for name in packaged_recipes())
    return [{key: value for key, value in one.items() if key not in ("id", "profile", "method")} for one in loaded]


def places(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of all values in nested plain data."""
    yield path
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, Mapping):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(value: Any, path: Path, other: object) -> Any:
    """Return nested plain data with the value at a path replaced."""
    if not path:
        return other
    copy: Any = dict(value) if isinstance(value, Mapping) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], other)
    return copy


def at(value: Any, path: Path) -> Any:
    """Return the part of nested plain data at a path."""
    for key in path:
        value = value[key]
    return value


def near(value: object) -> st.SearchStrategy[Any]:
    """Return values of the same kind, most of which are as good."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.integers(1, 2 * abs(value) + 1)
    if isinstance(value, float):
        return st.floats(0.5, 1.0).map(lambda share: share * float(value))
    return st.just(value)


@st.composite
def mutated(draw: st.DrawFn, values: list[dict[str, Any]]) -> Any:
    """Return one of some values with up to three of its parts replaced, or a key added."""
    value: Any = draw(st.sampled_from(values))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(value))))
        value = replaced(value, path, draw(st.one_of(ODD, near(at(value, path)))))
    if isinstance(value, Mapping) and draw(st.integers(0, 3)) == 0:
        value = {**value, draw(ODD_TEXT): draw(ODD)}
    return value


@st.composite
def recipe_texts(draw: st.DrawFn, values: list[dict[str, Any]]) -> str:
    """Return the text of a file: a changed recipe, with tokens of YAML thrown in, or tokens alone."""
    if draw(st.integers(0, 3)) == 0:
        return "".join(draw(st.lists(st.sampled_from(YAML_TOKENS), max_size=40)))
    value = draw(mutated(values))
    try:
        text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, ValueError):  # of integers with more digits than Python writes
        text = repr(value)[:5000] if not _has_long_integer(value) else "seed: " + "9" * 5000
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(YAML_TOKENS)) + text[place + draw(st.integers(0, 3)) :]
    return text


def override_texts(recipe: dict[str, Any]) -> st.SearchStrategy[str]:
    """Return what may stand after `--set`, half of it near what the recipe has."""
    known = sorted(dotted_keys("maze") | dotted_keys("gymnasium"))
    keys = st.sampled_from([*known, "env.kwargs.a", "env.kwargs.a.b"]) | ODD_TEXT
    values = ODD_TEXT | ODD.map(_json) | st.lists(st.sampled_from(YAML_TOKENS), max_size=8).map("".join)
    texts = st.tuples(keys, st.sampled_from(["=", "=", "=", "", " = "]), values).map("".join)
    paths = [path for path in places(recipe) if all(isinstance(key, str) for key in path) and path]
    likely = st.sampled_from(paths).flatmap(
        lambda path: near(at(recipe, path)).map(lambda value: f"{'.'.join(map(str, path))}={_json(value)}")
    )
    return st.one_of(likely, texts).map(lambda text: text.replace("\0", ""))  # no command line holds a zero byte


@st.composite
def json_texts(draw: st.DrawFn, values: list[dict[str, Any]]) -> bytes:
    """Return JSON of changed values, now and then with bytes replaced."""
    data = bytearray(_json(draw(mutated(values))).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 5]))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        data[place : place + 1] = draw(st.binary(max_size=3))
    return bytes(data)


def damaged(data: bytes, changes: list[tuple[float, bytes]]) -> bytes:
    """Return data with bytes replaced, each at a share of its length; no bytes there cut the rest off."""
    for share, others in changes:
        place = int(share * len(data))
        data = data[:place] + others + data[place + len(others) :] if others else data[:place]
    return data


def _json(value: object) -> str:
    try:
        return json.dumps(value)
    except ValueError:  # an integer with more digits than Python writes
        return '{"seed": ' + "9" * 5000 + "}"


def _has_long_integer(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_has_long_integer(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_long_integer(item) for item in value)
    return isinstance(value, int) and abs(value) > 10**4000
