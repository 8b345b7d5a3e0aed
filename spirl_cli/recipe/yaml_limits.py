"""Limits of a YAML text, checked before a tree is made of it.

PyYAML makes its tree by recursion, which deep nesting ends with a segmentation fault, and a few aliases of aliases
stand for more nodes than any memory holds. The parser below it yields events one by one, which are only counted here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from spirl_cli.errors import UsageError

# A hundred times what the packaged recipes need.
MAX_CHARACTERS = 1 << 18
MAX_NODES = 20_000  # aliases counted as what they stand for
MAX_DEPTH = 40
MAX_INTEGER = 1 << 63

_HINT = "A recipe says what to do; keep data in files that it names."


@dataclass
class _Size:
    """Nodes below an anchor, itself included, and how deep they are nested."""

    nodes: int = 1
    depth: int = 0


class Limits:
    """Counts the nodes of a document.

    Args:
        place: says where an event begins, for messages.
    """

    def __init__(self, place: Callable[[Any], object]) -> None:
        self._place = place
        self._open: list[tuple[str | None, _Size]] = [(None, _Size())]
        self._anchors: dict[str, _Size] = {}

    def check(self, text: str, loader: Any) -> None:
        """Parse a text to its end, or to what is too much.

        Raises:
            UsageError: the document is too large or too deep, or an alias contains itself.
            yaml.YAMLError: it is no YAML.
        """
        if len(text) > MAX_CHARACTERS:
            raise UsageError(f"{self._place(None)}: the text has {len(text):,} characters.", _too_much(MAX_CHARACTERS))
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                self._add(self._meant(event), event)
            elif isinstance(event, yaml.ScalarEvent):
                self._remember(event.anchor, _Size())
                self._add(_Size(), event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._open.append((event.anchor, _Size(depth=1)))
                if len(self._open) - 1 > MAX_DEPTH:
                    raise self._refusal(event, f"lists and mappings are nested more than {MAX_DEPTH} deep", MAX_DEPTH)
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, size = self._open.pop()
                self._remember(anchor, size)
                self._add(size, event)

    def _meant(self, event: Any) -> _Size:
        if any(anchor == event.anchor for anchor, _ in self._open):
            raise UsageError(f"{self._place(event)}: an alias contains itself.")
        return self._anchors.get(event.anchor, _Size())  # of an unknown one the composer complains

    def _remember(self, anchor: str | None, size: _Size) -> None:
        if anchor is not None:
            self._anchors[anchor] = size

    def _add(self, size: _Size, event: Any) -> None:
        """Count what has ended as part of the collection around it."""
        around = self._open[-1][1]
        around.nodes += size.nodes
        around.depth = max(around.depth, size.depth + 1)
        if len(self._open) - 1 + size.depth > MAX_DEPTH:
            raise self._refusal(event, f"aliases nest lists and mappings more than {MAX_DEPTH} deep", MAX_DEPTH)
        if sum(one.nodes for _, one in self._open) > MAX_NODES:
            raise self._refusal(event, f"there are more than {MAX_NODES:,} values, aliases written out", MAX_NODES)

    def _refusal(self, event: Any, reason: str, most: int) -> UsageError:
        return UsageError(f"{self._place(event)}: {reason}.", _too_much(most))


def _too_much(most: int) -> str:
    return f"At most {most:,} are read. {_HINT}"
