"""Learning curves of several conditions as a picture for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_cli.domains.registry import read_section
from spirl_cli.errors import SpirlError
from spirl_cli.evaluation.figures import COLOURS, DrawnLine, draw_lines
from spirl_cli.evaluation.statistics import UNKNOWN
from spirl_cli.report.lines import Line
from spirl_cli.report.result_table import Table

if TYPE_CHECKING:
    from spirl_cli.domains.section import EnvSection
    from spirl_cli.evaluation.results import ResultRow


def draw(path: Path, lines: Sequence[Line], table: Table, title: str | None = None) -> list[str]:
    """Draw the results of a table; returns the names of the curves.

    Args:
        path: the file, whose ending says the format.
        lines: the conditions of the table.
        table: decides metric, environment and policy.
        title: None for that of the table.
    """
    curves = [(name, [row for row in rows if row]) for name, rows in table.rows[: table.conditions]]
    drawn = [DrawnLine(name, COLOURS[at % len(COLOURS)], rows) for at, (name, rows) in enumerate(curves)]
    yardsticks = [row for _, rows in table.rows[table.conditions :] for row in rows if row]
    draw_lines(path, drawn, _env(lines), yardsticks, title=title or table.title, note=_note(drawn))
    return [line.label for line in drawn]


def _env(lines: Sequence[Line]) -> EnvSection | None:
    """Return the environment of the first evaluation, for published curves; None where its domain is missing."""
    for line in lines:
        for artifact in line.evaluations[:1]:
            try:
                return artifact.section("env", read_section)
            except SpirlError:
                return None
    return None


def _note(lines: Sequence[DrawnLine]) -> str:
    rows: list[ResultRow] = [row for line in lines for row in line.rows]
    seeds, episodes = ({getattr(row, name) for row in rows} for name in ("seeds", "episodes"))
    middle = "interquartile mean over seeds" if max(seeds) > 1 else "mean of one seed"
    unknown = " A point without a bar: all episodes are equal." if any(row.interval == UNKNOWN for row in rows) else ""
    return f"Ours: {middle}, {_span(seeds)} seeds, {_span(episodes)} episodes per point, 95 % intervals.{unknown}"


def _span(numbers: set[int]) -> str:
    return str(min(numbers)) if len(numbers) == 1 else f"{min(numbers)} to {max(numbers)}"
