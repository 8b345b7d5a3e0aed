"""Measurements as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.measurement import Measurement

PLAIN_WIDTH = 160


def print_table(measurements: Sequence[Measurement], title: str) -> None:
    """Print measurements, limits and details on stdout."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in ("figure", "measured", "limit", "", "made from"):
        table.add_column(column, overflow="fold")
    for measurement in measurements:
        limit = f"{measurement.bound} {measurement.limit:g}"
        table.add_row(
            measurement.name,
            f"{measurement.value:.3g} {measurement.unit}",
            limit,
            _verdict(measurement),
            escape(measurement.detail),
        )
    console.print(table)


def _verdict(measurement: Measurement) -> str:
    if measurement.passed:
        return "[green]pass[/]"
    return "[red]disturbed[/]" if measurement.disturbed else "[red]FAIL[/]"
