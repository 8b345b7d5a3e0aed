"""The published list of results: one JSON file of rows, and the same rows as CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from spirl_cli.evaluation.results import ResultRow, read_rows
from spirl_cli.files import make_folder, write_whole
from spirl_cli.report.result_table import rows_csv

RESULTS = Path("artifacts/reference/results.json")  # relative to the root of the repository


def publish(path: Path, rows: Iterable[ResultRow]) -> list[ResultRow]:
    """Add rows to a published list, replacing rows with equal identities; return the whole list.

    The list is sorted, so that its differences between commits are readable.
    """
    known = {row.identity: row for row in (read_rows(path) if path.exists() else [])}
    known.update((row.identity, row) for row in rows if row.method != "random")  # not methods of reinforcement learning
    merged = sorted(known.values(), key=_place)
    write_text(path, json.dumps([asdict(row) for row in merged], indent=1) + "\n")
    return merged


def write_csv(path: Path, rows: Sequence[ResultRow]) -> None:
    """Write rows as CSV, for drawing learning curves."""
    write_text(path, rows_csv(rows))


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; create its folder."""
    make_folder(path.parent)
    write_whole(path, text.encode())


def _place(row: ResultRow) -> tuple[tuple[int, float, str], ...]:
    """Return a sort key that puts the rows of a learning curve next to one another."""
    setting = (row.env, row.method, row.data, row.order, row.noise, row.reward, row.layout)
    study = (row.task, row.condition, row.study, row.cell)
    return tuple(map(_sortable, (*setting, *study, row.metric, row.policy, row.env_steps)))


def _sortable(value: object) -> tuple[int, float, str]:
    """Return a sort key that orders numbers as numbers, and None before text."""
    if isinstance(value, (int, float)):
        return (0, float(value), "")
    return (1, 0.0, "" if value is None else str(value))
