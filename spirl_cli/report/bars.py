"""Rates of single tasks as bars, one group of bars per task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from spirl_cli.evaluation.episodes import PolicyEpisodes, read_episodes
from spirl_cli.evaluation.statistics import Estimate, estimate
from spirl_cli.payload import EPISODES_FILE
from spirl_cli.report.chart import COLOURS
from spirl_cli.report.lines import Line

WIDTH, HEIGHT = 760, 240
_LEFT, _TOP, _BOTTOM = 40, 12, 30
_RESAMPLES = 2000


@dataclass(frozen=True)
class Bar:
    """The rate of one task in one condition; `number` decides the colour."""

    name: str
    number: int
    rate: Estimate


def task_bars(lines: Sequence[Line]) -> Iterable[tuple[str, str]]:
    """Yield (policy, drawing) of the last step's rates, where episodes have several metrics that are 0 or 1."""
    last = {number: _last_groups(line) for number, line in enumerate(lines)}
    policies = dict.fromkeys(policy for groups in last.values() for policy in groups)
    for policy in policies:
        tasks: dict[str, list[Bar]] = {}
        for number, groups in last.items():
            for task, rate in _rates(groups.get(policy, [])).items():
                tasks.setdefault(task, []).append(Bar(lines[number].name, number, rate))
        if len(tasks) > 1:
            yield policy, draw_bars(tasks)


def draw_bars(tasks: Mapping[str, Sequence[Bar]]) -> str:
    """Draw a group of bars for each task, from 0 to 1, with intervals."""
    group = (WIDTH - _LEFT) / len(tasks)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="rates of tasks">']
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = f"{_up(value):.1f}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{_LEFT - 8}" y="{y}" dy="4">{value:g}</text>')
    for place, (task, bars) in enumerate(tasks.items()):
        left = _LEFT + place * group
        middle = f'text-anchor="middle" x="{left + group / 2:.1f}" y="{HEIGHT - 10}"'
        parts.append(f'<text class="axis" {middle}>{escape(task)}</text>')
        width = min(0.8 * group / len(bars), 40.0)
        begin = left + (group - width * len(bars)) / 2
        parts += [_bar(bar, task, begin + index * width, width) for index, bar in enumerate(bars)]
    return "\n".join([*parts, "</svg>"])


def _bar(bar: Bar, task: str, x: float, width: float) -> str:
    rate, middle = bar.rate, x + width / 2
    title = f"<title>{escape(bar.name)}\n{escape(task)}: {rate.mean:.4g} [{rate.low:.4g}, {rate.high:.4g}]</title>"
    top = _up(rate.mean)
    box = f'<rect x="{x + 1:.1f}" y="{top:.1f}" width="{width - 2:.1f}" height="{_up(0.0) - top:.1f}"/>'
    ends = f'y1="{_up(rate.low):.1f}" y2="{_up(rate.high):.1f}"'
    line = f'<line class="whisker" x1="{middle:.1f}" x2="{middle:.1f}" {ends}/>'
    return f'<g class="task c{bar.number % COLOURS}" data-line="{bar.number}">{title}{box}{line}</g>'


def _up(value: float) -> float:
    return HEIGHT - _BOTTOM - value * (HEIGHT - _BOTTOM - _TOP)


def _last_groups(line: Line) -> dict[str, list[PolicyEpisodes]]:
    """Return the episodes of the most trained policies of a condition by kind, one group per seed."""
    found: dict[str, list[PolicyEpisodes]] = {}
    for artifact in line.evaluations if not line.problem else ():
        groups = [one for one in read_episodes(artifact.file(EPISODES_FILE)) if one.method != "random"]
        last = max((one.env_steps for one in groups), default=0)
        for one in groups:
            if one.env_steps == last:
                found.setdefault(one.policy, []).append(one)
    return found


def _rates(groups: Sequence[PolicyEpisodes]) -> dict[str, Estimate]:
    metrics = [[episode.metrics for episode in group.episodes] for group in groups]
    names = [name for name in (metrics[0][0] if metrics else {}) if name != "success"]
    values = {name: [[one[name] for one in group] for group in metrics] for name in names}
    return {
        name: estimate(own, (0.0, 1.0), resamples=_RESAMPLES)
        for name, own in values.items()
        if {value for group in own for value in group} <= {0.0, 1.0}
    }
