"""YAML text as a tree of nodes that remember where in the file they stand.

Scalars follow YAML 1.2's core schema, not PyYAML's defaults: ``1e-3`` is a number, ``18:39``
is text (PyYAML alone reads 1119, a number to base 60), ``010`` is ten and ``2024-01-01`` is
text. Duplicate keys and tags are refused; nothing but plain data can come out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import yaml

from spirl_cli.errors import UsageError

Scalar = str | int | float | bool | None
KeyPath = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar arrives as text
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_WORDS: dict[str, Scalar] = {"": None, "~": None}
_WORDS |= {spelling: None for spelling in ("null", "Null", "NULL")}
_WORDS |= {spelling: True for spelling in ("true", "True", "TRUE")}
_WORDS |= {spelling: False for spelling in ("false", "False", "FALSE")}
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
        """Return the node at ``path`` below this one, or None."""
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


def parse_yaml(text: str, source: str) -> Node:
    """Parse one YAML document.

    Args:
        text: the document; an empty one is null.
        source: what to call it in messages, normally the file's path.

    Raises:
        UsageError: with line and column, for syntax errors, duplicate keys, tags and aliases
            that contain themselves.
    """
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, source) from None
    except yaml.YAMLError as error:
        raise UsageError(f"{source}: not readable as YAML: {error}") from None
    if root is None:
        return Node(None, Place(source, 1, 1))
    return _convert(root, source, ())


def parse_value(text: str, place: Place) -> Node:
    """Parse the YAML value of a command line option; every node has the option's place.

    Raises:
        UsageError: if ``text`` is no YAML value.
    """
    try:
        node = parse_yaml(text, str(place))
    except UsageError:
        hint = "Put quotes around text with special characters, for example --set 'a.b=\"[text\"'."
        raise UsageError(f"{place}: the value is not readable as YAML.", hint) from None
    return _moved(node, place)


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


def _convert(node: Any, source: str, outer: tuple[Any, ...]) -> Node:
    """Convert a PyYAML node; ``outer`` are the nodes around it."""
    place = _place(node.start_mark, source)
    if node.tag not in _PLAIN_TAGS:
        raise UsageError(f"{place}: the tag {node.tag} is not supported.", "Write plain YAML without tags.")
    if any(node is other for other in outer):
        raise UsageError(f"{place}: an alias contains itself.")
    if isinstance(node, yaml.MappingNode):
        return Node(_convert_entries(node, source, (*outer, node)), place)
    if isinstance(node, yaml.SequenceNode):
        return Node([_convert(item, source, (*outer, node)) for item in node.value], place)
    return Node(node.value if node.style else read_scalar(node.value), place)


def _convert_entries(node: yaml.MappingNode, source: str, outer: tuple[Any, ...]) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    for key_node, value_node in node.value:
        place = _place(key_node.start_mark, source)
        if not isinstance(key_node, yaml.ScalarNode):
            raise UsageError(f"{place}: a key must be text.")
        key = key_node.value
        if key == "<<":
            raise UsageError(f"{place}: YAML's merge key << is not supported.", "Inherit with 'extends: RECIPE'.")
        if key in entries:
            raise UsageError(f"{place}: the key '{key}' was already given at {entries[key].key_place}.")
        entries[key] = replace(_convert(value_node, source, outer), key_place=place)
    return entries


def _moved(node: Node, place: Place) -> Node:
    value = node.value
    if isinstance(value, dict):
        value = {key: _moved(child, place) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_moved(child, place) for child in value]
    return Node(value, place, place)


def _place(mark: Any, source: str) -> Place:
    return Place(source, mark.line + 1, mark.column + 1)


def _syntax_error(error: yaml.MarkedYAMLError, text: str, source: str) -> UsageError:
    mark = error.problem_mark or error.context_mark
    place = _place(mark, source) if mark else Place(source)
    what = ", ".join(part for part in (error.context, error.problem) if part)
    line = text.splitlines()[place.line - 1 : place.line]
    indented_by_tab = any("\t" in part[: len(part) - len(part.lstrip())] for part in line)
    return UsageError(f"{place}: not readable as YAML: {what}.", "Indent with spaces, not tabs." * indented_by_tab)
