"""Draws the learning curve with its interval, and published curves dashed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_cli.domains.domain import PublishedCurve
from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.evaluation.results import metric_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spirl_cli.evaluation.results import ResultRow

OURS = {"sampled": "#d1495b", "mean": "#00798c"}
PUBLISHED = ("#444444", "#777777", "#3b6ea5", "#8fb0d0")
BASELINE_MARKERS = "sDv^"


def draw_learning_curve(path: Path, rows: Sequence[ResultRow], env: EnvSection) -> None:
    """Write a PNG with one curve per policy kind over environment steps (warm-up counted).

    Args:
        path: the file to write.
        rows: results of one condition and one metric at one or more steps; several steps of a
            policy make a curve with an interval band, a single one a point with an error bar.
        env: decides the published curves and the task in the footnote.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    published = domain_of(env).published(env)
    figure = Figure(figsize=(7.6, 5.4), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.09, 0.225, 0.88, 0.725))
    for policy, own in _by_policy(rows).items():
        _draw_own(axes, policy, own)
    _draw_published(axes, published.curves)
    _decorate(axes, rows, env)
    figure.text(
        0.02, 0.02, "\n".join(filter(None, (_own_note(rows, env), published.note))), fontsize=7.5, color="#333333"
    )
    figure.savefig(path)


def _by_policy(rows: Sequence[ResultRow]) -> Mapping[str, list[ResultRow]]:
    kinds = {row.policy for row in rows}
    ordered = sorted(rows, key=lambda row: row.env_steps)
    return {kind: [row for row in ordered if row.policy == kind] for kind in sorted(kinds, reverse=True)}


def _draw_own(axes: Axes, policy: str, rows: Sequence[ResultRow]) -> None:
    steps = [row.env_steps for row in rows]
    means = [row.mean for row in rows]
    lows, highs = [row.low for row in rows], [row.high for row in rows]
    color, label = OURS[policy], f"ours, {policy} policy"
    if len(rows) > 1:
        axes.fill_between(steps, lows, highs, color=color, alpha=0.2, linewidth=0, zorder=3)
        axes.plot(steps, means, color=color, marker="o", markersize=4, linewidth=2, label=label, zorder=4)
        return
    errors = [[means[0] - lows[0]], [highs[0] - means[0]]]
    axes.errorbar(steps, means, yerr=errors, color=color, fmt="o", capsize=4, label=label, zorder=4)


def _draw_published(axes: Axes, curves: Sequence[PublishedCurve]) -> None:
    lines = [curve for curve in curves if len(curve.points) > 1]
    points = [curve for curve in curves if len(curve.points) == 1]
    for color, curve in zip(PUBLISHED, lines, strict=False):
        axes.plot(*curve.shifted(), linestyle="--", color=color, linewidth=1.2, label=curve.label)
    for marker, curve in zip(BASELINE_MARKERS, points, strict=False):
        axes.plot(*curve.shifted(), linestyle="none", marker=marker, color="#999999", markersize=5, label=curve.label)


def _decorate(axes: Axes, rows: Sequence[ResultRow], env: EnvSection) -> None:
    from matplotlib.ticker import EngFormatter

    metric = metric_named(env, rows[0].metric)
    axes.set_xlabel("environment steps, warm-up counted")
    axes.set_ylabel(metric.label)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(left=-0.015 * axes.get_xlim()[1])  # shows points at 0 whole
    if metric.highest is not None:
        axes.set_ylim(0, 1.03 * metric.highest)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{rows[0].env}: {rows[0].method}", loc="left", fontsize=11)
    axes.legend(fontsize=7.5, frameon=False, ncol=2, loc="lower center")


def _own_note(rows: Sequence[ResultRow], env: EnvSection) -> str:
    episodes, seeds = rows[0].episodes, rows[0].seeds
    counted = f"{episodes} episodes of {seeds} seed{'s' if seeds > 1 else ''} per point, 95 % bootstrap interval."
    words = domain_of(env).setting(env).words
    return f"Ours: {words}; {counted}" if words else f"Ours: {counted}"
