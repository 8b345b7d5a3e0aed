"""Curves with bands as SVG: numbers appear where the pointer rests, colours follow the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 14, 46
STEPS = "environment steps"
COLOURS = 8  # the style sheet has as many
PUBLISHED = 4  # so many patterns of dashes


@dataclass(frozen=True)
class Point:
    """A mean with the ends of its interval, at an environment step or another number."""

    x: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """The points of one condition, from left to right; `number` decides its colour and dots.

    A published curve has points without intervals, is dashed, and its numbers count apart.
    """

    name: str
    number: int
    points: tuple[Point, ...]
    published: bool = False


@dataclass(frozen=True)
class _Scale:
    """Maps values between two ends to pixels between two others."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def chart(curves: Sequence[Curve], label: str, below: str = STEPS) -> str:
    """Draw curves.

    Args:
        curves: at least one, each with at least one point.
        label: of the y-axis.
        below: label of the x-axis.
    """
    points = [point for curve in curves for point in curve.points]
    origin = [0.0] if below == STEPS else []
    across = _scale([*origin, *(point.x for point in points)], _LEFT, WIDTH - _RIGHT)
    up = _scale([end for point in points for end in (point.low, point.high)], HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)} over {escape(below)}">',
        *_grid(across, up, label, below),
        *(_curve(curve, below, across, up) for curve in curves),
        "</svg>",
    ]
    return "\n".join(parts)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers between two ends, at most so many (steps of 1, 2 or 5 times a power of ten)."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def number_text(value: float) -> str:
    """Write a number of an axis: `0.5`, `20k`, `1.5M`."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.6g}"


def _scale(values: Sequence[float], start: float, end: float) -> _Scale:
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or 0.5
    return _Scale(low - margin, high + margin, start, end)


def _grid(across: _Scale, up: _Scale, label: str, below: str) -> list[str]:
    bottom = HEIGHT - _BOTTOM
    parts = []
    for value in ticks(up.low, up.high):
        y = f"{up(value):.1f}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{_LEFT - 8}" y="{y}" dy="4">{number_text(value)}</text>')
    for value in ticks(max(across.low, 0.0) if below == STEPS else across.low, across.high):
        x = f"{across(value):.1f}"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" text-anchor="middle" x="{x}" y="{bottom + 18}">{number_text(value)}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text class="axis" text-anchor="middle" x="{middle}" y="{HEIGHT - 6}">{escape(below)}</text>')
    half = (_TOP + bottom) / 2
    place = f'text-anchor="middle" transform="translate(14 {half}) rotate(-90)"'
    return [*parts, f'<text class="axis" {place}>{escape(label)}</text>']


def _curve(curve: Curve, below: str, across: _Scale, up: _Scale) -> str:
    if curve.published:
        return _published(curve, below, across, up)
    colour = f"c{curve.number % COLOURS}" + (" dotted" if curve.number >= COLOURS else "")
    upper = [f"{across(point.x):.1f},{up(point.high):.1f}" for point in curve.points]
    lower = [f"{across(point.x):.1f},{up(point.low):.1f}" for point in reversed(curve.points)]
    means = [f"{across(point.x):.1f},{up(point.mean):.1f}" for point in curve.points]
    band = f'<polygon class="band" points="{" ".join([*upper, *lower])}"/>'
    path = f'<polyline class="line" points="{" ".join(means)}"/>'
    dots = "".join(_dot(point, curve.name, below, across, up) for point in curve.points)
    return f'<g class="curve {colour}" data-line="{curve.number}">{band}{path}{dots}</g>'


def _published(curve: Curve, below: str, across: _Scale, up: _Scale) -> str:
    means = [f"{across(point.x):.1f},{up(point.mean):.1f}" for point in curve.points]
    dots = "".join(
        f"<g><title>{escape(curve.name)}, published\n{point.x:,g} {escape(below)}: {point.mean:.4g}</title>"
        f'<circle cx="{across(point.x):.1f}" cy="{up(point.mean):.1f}" r="3"/></g>'
        for point in curve.points
    )
    path = f'<polyline class="line" points="{" ".join(means)}"/>'
    return f'<g class="curve published p{curve.number % PUBLISHED}" data-line="published">{path}{dots}</g>'


def _dot(point: Point, name: str, below: str, across: _Scale, up: _Scale) -> str:
    x, numbers = f"{across(point.x):.1f}", f"{point.mean:.4g} [{point.low:.4g}, {point.high:.4g}]"
    bar = f'<line class="bar" x1="{x}" x2="{x}" y1="{up(point.low):.1f}" y2="{up(point.high):.1f}"/>'
    title = f"<title>{escape(name)}\n{point.x:,g} {escape(below)}: {numbers}</title>"
    return f'<g>{title}{bar}<circle cx="{x}" cy="{up(point.mean):.1f}" r="4"/></g>'
