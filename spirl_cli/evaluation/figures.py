"""Draws learning curves with their intervals, what to compare with, and published curves dashed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_cli.domains.domain import Published, PublishedCurve
from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.evaluation.results import metric_named
from spirl_cli.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spirl_cli.evaluation.results import ResultRow

OURS = {"sampled": "#d1495b", "mean": "#00798c"}
COLOURS = ("#d1495b", "#00798c", "#edae49", "#30638e", "#8e6c8a", "#5b8c5a", "#b5651d", "#444444")
PUBLISHED = ("#444444", "#777777", "#3b6ea5", "#8fb0d0")
BASELINE_MARKERS = "sDv^"
YARDSTICKS = {"no-prior": ("skills without prior, N(0, I)", "#9a7bb0"), "demonstrations": ("demonstrations", "#5b8c5a")}


@dataclass(frozen=True)
class DrawnLine:
    """One curve: its name in the legend, its colour, and rows of one metric and policy at one or more steps."""

    label: str
    colour: str
    rows: Sequence[ResultRow]


def draw_learning_curve(
    path: Path, rows: Sequence[ResultRow], env: EnvSection, yardsticks: Sequence[ResultRow] = ()
) -> None:
    """Write a PNG with one curve per policy kind over environment steps (warm-up counted).

    Args:
        path: the file to write.
        rows: results of one condition and one metric at one or more steps; several steps of a
            policy make a curve with an interval band, a single one a point with an error bar.
        env: decides the published curves and the task in the footnote.
        yardsticks: rows of what to compare with, which are drawn as level lines.
    """
    lines = [DrawnLine(f"ours, {kind} policy", OURS[kind], own) for kind, own in _by_policy(rows).items()]
    beside = [row for row in yardsticks if row.metric == rows[0].metric]
    draw_lines(path, lines, env, beside, title=f"{rows[0].env}: {rows[0].method}", note=_own_note(rows, env))


def draw_lines(
    path: Path,
    lines: Sequence[DrawnLine],
    env: EnvSection | None,
    yardsticks: Sequence[ResultRow] = (),
    *,
    title: str,
    note: str,
) -> None:
    """Write a picture of learning curves; the ending of the file's name decides its format.

    Args:
        path: the file to write.
        lines: at least one, all of the same metric.
        env: decides the published curves; None where they are not known.
        yardsticks: rows of the same metric that are drawn as level lines.
        title: above the picture.
        note: below it, before the note on published curves.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    published = Published() if env is None else domain_of(env).published(env)
    figure = Figure(figsize=(7.6, 5.4), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.09, 0.225, 0.88, 0.725))
    for line in lines:
        _draw_own(axes, line)
    _draw_yardsticks(axes, yardsticks)
    _draw_published(axes, published.curves)
    _decorate(axes, lines[0].rows[0], env, title)
    figure.text(0.02, 0.02, "\n".join(filter(None, (note, published.note))), fontsize=7.5, color="#333333")
    with rc_context({"svg.fonttype": "none"}), written_whole(path) as temporary:  # text of an SVG stays text
        figure.savefig(temporary, format=path.suffix[1:].lower())


def _by_policy(rows: Sequence[ResultRow]) -> Mapping[str, list[ResultRow]]:
    kinds = {row.policy for row in rows}
    ordered = sorted(rows, key=lambda row: row.env_steps)
    return {kind: [row for row in ordered if row.policy == kind] for kind in sorted(kinds, reverse=True)}


def _draw_own(axes: Axes, line: DrawnLine) -> None:
    rows, color = sorted(line.rows, key=lambda row: row.env_steps), line.colour
    steps = [row.env_steps for row in rows]
    means = [row.mean for row in rows]
    lows, highs = [row.low for row in rows], [row.high for row in rows]
    if len(rows) > 1:
        axes.fill_between(steps, lows, highs, color=color, alpha=0.2, linewidth=0, zorder=3)
        axes.plot(steps, means, color=color, marker="o", markersize=4, linewidth=2, label=line.label, zorder=4)
        return
    errors = [[means[0] - lows[0]], [highs[0] - means[0]]]
    axes.errorbar(steps, means, yerr=errors, color=color, fmt="o", capsize=4, label=line.label, zorder=4)


def _draw_yardsticks(axes: Axes, rows: Sequence[ResultRow]) -> None:
    for row in rows:
        label, color = YARDSTICKS.get(row.method, ("prior, no reinforcement learning", "#30638e"))
        axes.axhline(row.mean, color=color, linestyle=":", linewidth=1.4, label=label, zorder=2)
        axes.axhspan(row.low, row.high, color=color, alpha=0.08, linewidth=0, zorder=1)


def _draw_published(axes: Axes, curves: Sequence[PublishedCurve]) -> None:
    lines = [curve for curve in curves if len(curve.points) > 1]
    points = [curve for curve in curves if len(curve.points) == 1]
    for color, curve in zip(PUBLISHED, lines, strict=False):
        axes.plot(*curve.shifted(), linestyle="--", color=color, linewidth=1.2, label=curve.label)
    for marker, curve in zip(BASELINE_MARKERS, points, strict=False):
        axes.plot(*curve.shifted(), linestyle="none", marker=marker, color="#999999", markersize=5, label=curve.label)


def _decorate(axes: Axes, row: ResultRow, env: EnvSection | None, title: str) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    metric = None if env is None else metric_named(env, row.metric)
    axes.set_xlabel("environment steps, warm-up counted")
    axes.set_ylabel(row.metric if metric is None else metric.label)
    furthest = max(axes.get_xlim()[1], 1.0)
    axes.set_xlim(-0.015 * furthest, furthest)  # shows points at 0 whole
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    if metric is not None and metric.highest is not None:
        axes.set_ylim(0, 1.03 * metric.highest)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(fontsize=7.5, frameon=False, ncol=2, loc="lower center")


def _own_note(rows: Sequence[ResultRow], env: EnvSection) -> str:
    episodes, seeds = rows[0].episodes, rows[0].seeds
    counted = f"{episodes} episodes of {seeds} seed{'s' if seeds > 1 else ''} per point, 95 % intervals."
    words = domain_of(env).setting(env).words
    return f"Ours: {words}; {counted}" if words else f"Ours: {counted}"
