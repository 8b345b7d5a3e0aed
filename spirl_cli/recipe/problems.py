"""What is wrong with a recipe, in words and with the place where it was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from spirl_cli.errors import did_you_mean
from spirl_cli.recipe.fields import FROM_FILE_NAME, suggest
from spirl_cli.recipe.yaml_places import KeyPath, Node, Place

Details = Mapping[str, Any]
Suggest = Callable[[KeyPath, object], str]
MOST_SENTENCES = 50
LONGEST_VALUE = 80  # characters of a refused value that are shown
# What a value must be, after the word "must", by pydantic's type of error; braces name facts of its context.
_WANTED = {
    "model_type": "be a mapping (lines of 'key: value')",
    "model_attributes_type": "be a mapping (lines of 'key: value')",
    "dict_type": "be a mapping (lines of 'key: value')",
    "tuple_type": "be a list",
    "list_type": "be a list",
    "string_type": "be text",
    "int_type": "be an integer",
    "int_parsing": "be an integer",
    "int_parsing_size": "be a smaller integer",
    "int_from_float": "be an integer",
    "float_type": "be a number",
    "float_parsing": "be a number",
    "bool_type": "be true or false",
    "bool_parsing": "be true or false",
    "none_required": "be null",
    "finite_number": "be finite",
    "greater_than": "be greater than {gt}",
    "greater_than_equal": "be greater than or equal to {ge}",
    "less_than": "be less than {lt}",
    "less_than_equal": "be less than or equal to {le}",
    "too_short": "have at least {min_length} item{plural}",
    "too_long": "have at most {max_length} item{plural}",
    "string_too_short": "have at least {min_length} character{plural}",
    "string_too_long": "have at most {max_length} character{plural}",
    "string_pattern_mismatch": "match {pattern}",
}


def describe(error: ValidationError, tree: Node, suggest: Suggest = suggest) -> list[str]:
    """One sentence with place for each of the first problems; unknown keys first, since they often cause others.

    Args:
        error: what pydantic says about `tree`.
        tree: the recipe that was validated, profile and overrides applied.
        suggest: a did-you-mean for the unknown key at a path, given `env.kind`; by default that of recipes.
    """
    groups: dict[KeyPath, list[Details]] = {}
    for details in sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden"):
        groups.setdefault(_path(details, tree), []).append(details)
    wrong = [(path, group) for path, group in groups.items() if not _is_consequence(path, group, groups)]
    return [_sentence(path, group, tree, suggest) for path, group in wrong[:MOST_SENTENCES]]


def unknown_key(path: KeyPath, tree: Node, suggest: Suggest = suggest) -> str:
    """Return the sentence about a key that no recipe has."""
    node = tree.at(path)
    place = node.key_place or node.place if node else tree.place
    kind = tree.at(("env", "kind"))
    return f"{place}: {_dotted(path)} is not a known key.{suggest(path, kind.value if kind else None)}"


def reserved_keys(tree: Node) -> list[str]:
    """Problems with keys that would set what the file's name and the command line decide."""
    return [unknown_key((key,), tree) for key in tree.entries if key in FROM_FILE_NAME]


def _sentence(path: KeyPath, group: list[Details], tree: Node, suggest: Suggest) -> str:
    details = group[0]
    if details["type"] == "extra_forbidden":
        return unknown_key(path, tree, suggest)
    place = _nearest(path, tree)
    if details["type"] in ("missing", "union_tag_not_found"):
        return f"{place}: {_dotted(path)} {'has too few items' if tree.at(path) else 'is missing'}."
    if details["type"] == "value_error":
        return _own_sentence(path, str(details["ctx"]["error"]), tree)
    wanted = " or ".join(dict.fromkeys(_wanted(one) for one in group))
    return f"{place}: {_dotted(path)} must {wanted}, not {_value(details)}.{_close_choice(details)}"


def _is_consequence(path: KeyPath, group: list[Details], paths: Iterable[KeyPath]) -> bool:
    """Whether a list is "too short" only because one of its items is wrong."""
    if group[0]["type"] != "too_short":
        return False
    return any(len(other) > len(path) and other[: len(path)] == path for other in paths)


def _own_sentence(path: KeyPath, text: str, tree: Node) -> str:
    """Return a sentence of the schema's own validators, which may begin with the key that it is about."""
    text = text if text.endswith(".") else f"{text}."
    first = tuple(text.split()[0].rstrip(".:,").split("."))
    if path and first[0] == path[0]:
        return f"{_nearest(first, tree)}: {text}"
    return f"{_nearest(path, tree)}: {_dotted(path)} {text}"


def _path(details: Details, tree: Node) -> KeyPath:
    """Pydantic's location without the members of unions that it puts between the keys."""
    parts = list(_keys(details, tree))
    if details["type"].startswith("union_tag"):
        parts.append("kind")
    return tuple(parts)


def _keys(details: Details, tree: Node) -> Iterator[str | int]:
    location = details["loc"]
    node: Node | None = tree
    for number, part in enumerate(location):
        if node is None or not isinstance(node.value, dict | list):
            return
        below = node.at((part,))
        missing = details["type"] == "missing" and number == len(location) - 1
        if below is None and not (missing and isinstance(node.value, dict)):
            continue  # a union's member, such as "kitchen" in env.kitchen.noise
        yield part
        node = below


def _nearest(path: KeyPath, tree: Node) -> Place:
    """Return the place of the value at `path`, or of the innermost mapping in which it is missing."""
    for length in range(len(path), -1, -1):
        node = tree.at(path[:length])
        if node is not None:
            return node.place if length == len(path) else node.key_place or node.place
    return tree.place


def _wanted(details: Details) -> str:
    """Return what a value must be, after the word "must"."""
    choices = _choices(details)
    if choices:
        return f"be one of {', '.join(choices)}" if len(choices) > 1 else f"be {choices[0]}"
    wanted = _WANTED.get(details["type"])
    if wanted is None:
        return f"be valid ({details['msg']})"
    facts = {name: _plain(value) for name, value in details.get("ctx", {}).items()}
    length = facts.get("min_length", facts.get("max_length"))
    return wanted.format(**facts, plural="" if length == 1 else "s")


def _plain(value: object) -> object:
    """Write a whole number without its decimal point: bounds of a number come as 0.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _choices(details: Details) -> list[str]:
    context = details.get("ctx", {})
    listed = context.get("expected_tags") or (context.get("expected", "") if details["type"] == "literal_error" else "")
    return re.findall(r"'([^']*)'", listed)


def _close_choice(details: Details) -> str:
    word = _given(details)
    return did_you_mean(word, _choices(details)) if isinstance(word, str) else ""


def _value(details: Details) -> str:
    """Return the refused value in words; of a list with a wrong length, the length."""
    value = _given(details)
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return str(details.get("ctx", {}).get("actual_length", "a list"))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _given(details: Details) -> object:
    """Return the refused value; pydantic hands out the whole section when its `kind` is wrong."""
    return details["input"]["kind"] if details["type"] == "union_tag_invalid" else details["input"]


def _dotted(path: KeyPath) -> str:
    """Write a path as `env.observation[0].key`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the recipe"
