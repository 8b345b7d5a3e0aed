"""Output of stages for people: messages, tables and progress, all on stderr.

Stdout is for results only, so nothing in this module writes to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spirl_cli.monitor.progress import LineBar, LiveBar, ProgressBar, SilentBar

_PLAIN_WIDTH = 200  # columns if stderr is no terminal; wide enough for all tables


class Reporter(Protocol):
    """Output of a stage while it runs."""

    def message(self, text: str) -> None:
        """Show one line."""

    def warn(self, text: str) -> None:
        """Show one line that the user should not overlook."""

    def table(self, title: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Show rows under a title; columns are the keys in order of first appearance."""

    def progress(
        self, description: str, total: float | None, unit: str, start: float = 0
    ) -> AbstractContextManager[ProgressBar]:
        """Show progress from `start` to `total` units (None if unknown), such as `"iterations"`."""


class RichReporter:
    """Writes to stderr: live bars on a terminal, occasional plain lines elsewhere."""

    def __init__(self) -> None:
        probe = Console(stderr=True)
        # The stream decides, not FORCE_COLOR, since log files should have no control codes.
        self._live = probe.file.isatty() and not probe.is_dumb_terminal
        width = None if self._live else _PLAIN_WIDTH
        self._console = Console(stderr=True, force_terminal=self._live, width=width, highlight=False)

    def message(self, text: str) -> None:
        """Print one line."""
        self._console.print(Text(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print one line that starts with `warning:`."""
        self._console.print(Text.assemble(("warning: ", "yellow"), text), soft_wrap=True)

    def table(self, title: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Print a table; numbers are shortened to four significant digits."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for column in columns:
            numeric = all(isinstance(row.get(column), int | float | None) for row in rows)
            table.add_column(Text(column), justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(Text(_cell(row.get(column))) for column in columns))
        self._console.print(table)

    def progress(
        self, description: str, total: float | None, unit: str, start: float = 0
    ) -> AbstractContextManager[ProgressBar]:
        """Show a bar on a terminal, else a line at the start, every ten seconds and at the end."""
        if self._live:
            return LiveBar(self._console, description, total, unit, start)
        return LineBar(self.message, description, total, unit, start)


class SilentReporter:
    """Shows nothing; for tests and for use from Python."""

    def message(self, text: str) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Do nothing."""

    def table(self, title: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Do nothing."""

    def progress(
        self, description: str, total: float | None, unit: str, start: float = 0
    ) -> AbstractContextManager[ProgressBar]:
        """Return a bar that shows nothing."""
        return SilentBar()


def warned(reporter: Reporter, findings: Iterable[str]) -> tuple[str, ...]:
    """Say each finding as a warning; return them all, for the artifact."""
    said = tuple(findings)
    for text in said:
        reporter.warn(text)
    return said


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
