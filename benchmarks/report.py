"""Measurements as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.figure import Figure

PLAIN_WIDTH = 160


def print_table(figures: Sequence[Figure], title: str) -> None:
    """Print measurements, limits and details on stdout."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in ("figure", "measured", "limit", "", "made from"):
        table.add_column(column, overflow="fold")
    for figure in figures:
        limit = f"{figure.bound} {figure.limit:g}"
        table.add_row(figure.name, f"{figure.value:.3g} {figure.unit}", limit, _verdict(figure), escape(figure.detail))
    console.print(table)


def _verdict(figure: Figure) -> str:
    if figure.passed:
        return "[green]pass[/]"
    return "[red]disturbed[/]" if figure.disturbed else "[red]FAIL[/]"
