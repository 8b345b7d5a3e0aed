"""Rows of results as Markdown: a short table of headlines, and a table for each task and metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from benchmarks.headlines import HEADLINES, PUBLISHED_TASKS, Headline, PublishedPoint, published_points
from spirl_cli.evaluation.results import ResultRow
from spirl_cli.evaluation.statistics import interval_text
from spirl_cli.report.result_table import markdown_lines

# Recordings that are not on a public server.
UNFETCHABLE = ("relay/",)
UNFETCHABLE_NOTE = "† trained on recordings that are not public; the number cannot be reproduced elsewhere."
HEADLINE_COLUMNS = ("task", "environment steps", "spirl [95 % interval]", "seeds x episodes", "published, at step")
POINT_COLUMNS = ("method", "data", "policy", "seeds x episodes", "environment steps", "mean [95 % interval]")
PUBLISHED_COLUMNS = ("published method", "step on its own axis", "step with its warm-up", "value")


def headline_table(rows: Sequence[ResultRow]) -> str:
    """Render the short table: our headline results beside the published ones."""
    ours = [headline.row(rows) for headline in HEADLINES]
    lines = markdown_lines(HEADLINE_COLUMNS, map(_headline_cells, HEADLINES, ours))
    return "\n".join([*lines, *_note(ours)]) + "\n"


def result_tables(rows: Sequence[ResultRow]) -> str:
    """Render all rows: a heading per environment, and a table per task and metric, a line for each step."""
    lines: list[str] = []
    for env, of_env in groupby(rows, lambda row: row.env):
        lines += [f"## {env}", ""]
        by_title = groupby(sorted(of_env, key=_title), _title)  # a stable sort: curves stay together
        for title, points in by_title:
            lines += [f"### {title}", "", *markdown_lines(POINT_COLUMNS, map(_point_cells, points)), ""]
        lines += _published_lines(env)
    return "\n".join([*lines[:-1], *_note(rows)]) + "\n"  # without the empty line at the end


def _headline_cells(headline: Headline, row: ResultRow) -> tuple[str, ...]:
    by_curve = groupby(headline.published(), lambda point: point.label)
    published = [f"{label} {', '.join(map(_quoted, points))}" for label, points in by_curve]
    shown = f"{_mean(row)}{_mark(row)}"
    return (headline.task, _millions(row.env_steps), shown, _counts(row), "; ".join(published))


def _quoted(point: PublishedPoint) -> str:
    return f"{point.value:.2f} at {_millions(point.counted_step)}"


def _millions(steps: float) -> str:
    return f"{steps / 1e6:g} M"


def _point_cells(row: ResultRow) -> tuple[str, ...]:
    data = f"{row.data or '-'}{_mark(row)}"
    return (row.method, data, row.policy, _counts(row), f"{row.env_steps:,}", _mean(row))


def _title(row: ResultRow) -> str:
    """Return the title of a table: the common values of its rows."""
    noise = None if row.noise is None else f"noise {row.noise:g}"
    reward = None if row.reward is None else f"{row.reward} reward"
    order = {None: None, "any": "any order", "in-order": "in order"}[row.order]
    study = None if row.study is None else f"study {row.study}"
    success = "success at the last step" if row.success == "last" else None
    parts = (row.metric, success, row.task, row.condition, order, noise, reward, row.layout, study, row.cell)
    return ", ".join(filter(None, parts))


def _published_lines(env: str) -> list[str]:
    """Render the published points for the tasks of an environment, with a table per task."""
    lines: list[str] = []
    for task in PUBLISHED_TASKS:
        if task.split(",")[0] == env:
            lines += [
                f"### Published by others: {task}",
                "",
                *markdown_lines(PUBLISHED_COLUMNS, _published_cells(task)),
                "",
            ]
    return lines


def _published_cells(task: str) -> Iterator[tuple[str, ...]]:
    for point in published_points(task):
        yield (point.label, f"{point.step:,.0f}", f"{point.counted_step:,.0f}", f"{point.value:.2f}")


def _mean(row: ResultRow) -> str:
    return f"**{row.mean:.2f}** {interval_text(row)}"


def _counts(row: ResultRow) -> str:
    return f"{row.seeds} x {row.episodes // row.seeds}"


def _mark(row: ResultRow) -> str:
    return " †" if _unfetchable(row) else ""


def _note(rows: Sequence[ResultRow]) -> list[str]:
    return ["", UNFETCHABLE_NOTE] if any(map(_unfetchable, rows)) else []


def _unfetchable(row: ResultRow) -> bool:
    return (row.data or "").startswith(UNFETCHABLE)
