"""YAML text as a tree of nodes that remember where in the file they stand.

Scalars follow YAML 1.2's core schema, not PyYAML's defaults: `1e-3` is a number, `18:39`
is text (PyYAML alone reads 1119, a number to base 60), `010` is ten and `2024-01-01` is
text. Unquoted `yes`, `no`, `on` and `off`, which YAML 1.1 takes for truth values and 1.2 for text, are
refused, and so are duplicate keys and tags; nothing but plain data can come out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import yaml

from spirl_cli.errors import UsageError
from spirl_cli.recipe.yaml_limits import MAX_INTEGER, Limits

Scalar = str | int | float | bool | None
KeyPath = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar arrives as text
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_WORDS: dict[str, Scalar] = {"": None, "~": None}
_WORDS |= {spelling: None for spelling in ("null", "Null", "NULL")}
_WORDS |= {spelling: True for spelling in ("true", "True", "TRUE")}
_WORDS |= {spelling: False for spelling in ("false", "False", "FALSE")}
_AMBIGUOUS = {"yes": True, "on": True, "no": False, "off": False}
_DIGITS = 40  # of an integer, underscores and leading zeros counted
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
_FLOAT = re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Place:
    """Where a key or value was written: a file's line and column (from 1), or an option."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


PlaceOf = Callable[[Any], Place]  # of a mark of PyYAML; None: the beginning


@dataclass(frozen=True)
class Node:
    """A value with its place and, for the entry of a mapping, the place of its key."""

    value: dict[str, Node] | list[Node] | Scalar
    place: Place
    key_place: Place | None = None

    @property
    def entries(self) -> dict[str, Node]:
        """The entries of a mapping; of anything else, none."""
        return self.value if isinstance(self.value, dict) else {}

    def plain(self) -> Any:
        """Return the value as plain dictionaries, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, path: KeyPath) -> Node | None:
        """Return the node at `path` below this one, or None."""
        node: Node | None = self
        for part in path:
            if node is None:
                return None
            node = node._child(part)
        return node

    def _child(self, part: str | int) -> Node | None:
        if isinstance(self.value, dict):
            return self.value.get(str(part))
        if isinstance(self.value, list) and isinstance(part, int) and part < len(self.value):
            return self.value[part]
        return None


class NotYaml(UsageError):
    """A text that is no YAML."""


@lru_cache(maxsize=16)  # a sweep reads its recipes once for each of its cells
def parse_yaml(text: str, source: str) -> Node:
    """Parse one YAML document.

    Args:
        text: the document; an empty one is null.
        source: what to call it in messages, normally the file's path.

    Raises:
        NotYaml: with line and column, for syntax errors.
        UsageError: likewise, for duplicate keys, tags, aliases that contain themselves, words that some readers take
            for truth values, and whatever is too much (`spirl_cli/recipe/yaml_limits.py`).
    """
    return _parse(text, lambda mark: _place(mark, source))


def parse_value(text: str, place: Place) -> Node:
    """Parse the YAML value of a command line option; every node has the option's place.

    Raises:
        UsageError: if `text` is no YAML value, or one that `parse_yaml` refuses.
    """
    try:
        return replace(_parse(text, lambda mark: place), key_place=place)
    except NotYaml:
        hint = "Put quotes around text with special characters, for example --set 'a.b=\"[text\"'."
        raise UsageError(f"{place}: the value is not readable as YAML.", hint) from None


def _parse(text: str, place: PlaceOf) -> Node:
    try:
        Limits(lambda event: place(event.start_mark if event else None)).check(text, _LOADER)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, place) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise NotYaml(f"{place(None)}: not readable as YAML: {error}") from None
    return Node(None, place(None)) if root is None else _convert(root, place)


def read_scalar(text: str) -> Scalar:
    """Return the value of an unquoted YAML scalar: null, a truth value, a number or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def _convert(node: Any, place_of: PlaceOf) -> Node:
    """Convert a PyYAML node."""
    place = place_of(node.start_mark)
    if node.tag not in _PLAIN_TAGS:
        raise UsageError(f"{place}: the tag {node.tag} is not supported.", "Write plain YAML without tags.")
    if isinstance(node, yaml.MappingNode):
        return Node(_convert_entries(node, place_of), place)
    if isinstance(node, yaml.SequenceNode):
        return Node([_convert(item, place_of) for item in node.value], place)
    return Node(node.value if node.style else _plain_scalar(node.value, place), place)


def _plain_scalar(text: str, place: Place) -> Scalar:
    """Return the value of an unquoted scalar.

    Raises:
        UsageError: readers of YAML do not agree on it, or the number is too large.
    """
    if text.lower() in _AMBIGUOUS:
        meant = str(_AMBIGUOUS[text.lower()]).lower()
        raise UsageError(
            f"{place}: '{text}' is a truth value in YAML 1.1 and text in YAML 1.2.",
            f"Write {meant}, or the text in quotes: '\"{text}\"'.",
        )
    if _INTEGER.fullmatch(text) and (len(text) > _DIGITS or abs(int(text.replace("_", ""))) >= MAX_INTEGER):
        raise UsageError(f"{place}: the integer {text[:20]}… is too large.", f"The largest is {MAX_INTEGER - 1}.")
    return read_scalar(text)


def _convert_entries(node: yaml.MappingNode, place_of: PlaceOf) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    for key_node, value_node in node.value:
        place = place_of(key_node.start_mark)
        if not isinstance(key_node, yaml.ScalarNode):
            raise UsageError(f"{place}: a key must be text.")
        key = key_node.value
        if key == "<<":
            raise UsageError(f"{place}: YAML's merge key << is not supported.", "Inherit with 'extends: RECIPE'.")
        if key in entries:
            raise UsageError(f"{place}: the key '{key}' was already given at {entries[key].key_place}.")
        entries[key] = replace(_convert(value_node, place_of), key_place=place)
    return entries


def _place(mark: Any, source: str) -> Place:
    return Place(source, 1, 1) if mark is None else Place(source, mark.line + 1, mark.column + 1)


def _syntax_error(error: yaml.MarkedYAMLError, text: str, place_of: PlaceOf) -> NotYaml:
    place = place_of(error.problem_mark or error.context_mark)
    what = ", ".join(part for part in (error.context, error.problem) if part)
    line = text.splitlines()[place.line - 1 : place.line]
    indented_by_tab = any("\t" in part[: len(part) - len(part.lstrip())] for part in line)
    return NotYaml(f"{place}: not readable as YAML: {what}.", "Indent with spaces, not tabs." * indented_by_tab)
