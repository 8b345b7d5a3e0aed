"""Every row of docs/security.md is a test."""

from __future__ import annotations

from pathlib import Path

from tests.support.documents import ROOT

TESTS = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


def rows(document: Path) -> list[list[str]]:
    """Return the cells of all rows of tables that name a test in their last column."""
    lines = [line.strip("|\n").split("|") for line in document.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line] for line in lines]
    return [row for row in cells if len(row) == 3 and row[-1] not in ("test", "---")]


def test_every_row_names_a_test_that_is_there() -> None:
    named = {row[-1] for row in rows(ROOT / "docs/security.md")}
    assert len(named) >= 6 and named <= TESTS, named - TESTS
