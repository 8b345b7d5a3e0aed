"""Hints: none tells a user to delete what may be theirs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support.commands import CHECKOUT

DELETES = re.compile(r"\b(delete|remove|rm|erase)\s+(-\w+\s+)?(it|its|that|the|their|them|this|those|all|\{)")
ABOUT_ITS_OWN = ("remove {}?",)  # the question of `spirl remove`


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield all texts but docstrings; what a formatted text puts in is shown as braces."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_message_asks_to_delete_data() -> None:
    found = [
        f"{path.relative_to(CHECKOUT)}: {text}"
        for path in sorted(CHECKOUT.glob("spirl_cli/**/*.py"))
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if DELETES.search(text) and not any(allowed in text for allowed in ABOUT_ITS_OWN)
    ]
    assert found == []


def test_the_pattern_finds_such_messages() -> None:
    bad = ["delete that folder", "delete {} and run the stage again", "first remove its folder", "rm -r {}"]
    assert all(map(DELETES.search, bad)) and not DELETES.search("deleted by another process")
