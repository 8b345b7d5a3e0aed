"""The text of a recipe in another place: what it names there is what it names here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from spirl_cli.recipe.folder import packaged_name
from spirl_cli.recipe.layers import parent_path, read_tree
from spirl_cli.recipe.yaml_places import Node, NotYaml, parse_value

_PLAIN = re.compile(r"[\w./-]+")  # needs no quotes in YAML, whatever stands around it
_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\""
_TOKENS = (re.compile(rf"{_QUOTED}|[^\n#,}}]+"), re.compile(rf"{_QUOTED}|[^\n#,}}\]]+"))  # the last: in a list


def moved_text(source: Path, target: Path) -> str:
    """Return the text of a recipe whose `extends` and relative paths mean the same files when it is read elsewhere.

    Args:
        source: the recipe.
        target: the file in which the text is going to stand.

    Raises:
        UsageError: the recipe cannot be read, or inherits from nothing.
    """
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    tree = read_tree(source)
    here = target.parent.resolve()
    replacements = [(node, os.path.relpath(path, here)) for node, path in _files(tree, source.parent)]
    extends = tree.entries.get("extends")
    if extends is not None:
        parent = parent_path(source, extends)
        # a relative path would break as soon as the copy moves; a name does not
        replacements.append((extends, packaged_name(parent) or os.path.relpath(parent.resolve(), here)))
    for node, text in sorted(replacements, key=lambda one: (one[0].place.line, one[0].place.column), reverse=True):
        index, column = node.place.line - 1, node.place.column - 1
        lines[index] = lines[index][:column] + _replaced(lines[index][column:], node, text)
    return "".join(lines)


def _files(tree: Node, folder: Path) -> Iterator[tuple[Node, Path]]:
    """Yield the values of `extract.dataset` and of `env` that name something beside the recipe."""
    variants = [variant for key in ("profiles", "methods") for variant in _entries(tree, key).values()]
    for recipe in (tree, *variants):
        dataset = recipe.at(("extract", "dataset")) or Node(None, tree.place)
        several = dataset.value if isinstance(dataset.value, list) else [dataset]
        for node in (*several, *_entries(recipe, "env").values()):
            if isinstance(node.value, str) and not os.path.isabs(node.value):
                path = folder.resolve() / node.value
                if os.path.exists(path):
                    yield node, path


def _entries(node: Node, key: str) -> dict[str, Node]:
    inner = node.entries.get(key)
    return {} if inner is None else inner.entries


def _replaced(rest: str, node: Node, text: str) -> str:
    """Return the rest of a line, which begins with a scalar, with another scalar in its place."""
    for pattern in _TOKENS:
        match = pattern.match(rest)
        token = match[0].rstrip() if match is not None else ""
        with suppress(NotYaml):
            if parse_value(token, node.place).value == node.value:
                plain = _PLAIN.fullmatch(text) is not None
                return (text if plain else json.dumps(text, ensure_ascii=False)) + rest[len(token) :]
    return rest  # written over several lines: it stays as it is
