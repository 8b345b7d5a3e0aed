"""Published curves for the task of a chart, from the domain of its evaluations."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from spirl_cli.domains.registry import domain_of, read_section
from spirl_cli.errors import SpirlError
from spirl_cli.report.chart import Curve, Point
from spirl_cli.report.lines import Line


def published_curves(lines: Sequence[Line], env: str, metric: str) -> tuple[list[Curve], str]:
    """Return the curves that others published for a metric, and a note on how they differ from ours.

    A domain's published curves are of its first metric, and of one task: where conditions are of several tasks, each
    curve is drawn once.
    """
    curves: dict[Curve, None] = {}
    notes: dict[str, None] = {}
    for line in lines:
        for artifact in line.evaluations[:1]:
            try:
                section = read_section(artifact.manifest.parameters.get("env"))
                domain = domain_of(section)
                if domain.setting(section).env != env or domain.metrics(section)[0].name != metric:
                    continue
                published = domain.published(section)
            except (SpirlError, ValidationError, ValueError):
                continue  # a domain that is not installed here, or a manifest of a stranger
            for curve in published.curves:
                points = tuple(Point(x, y, y, y) for x, y in zip(*curve.shifted(), strict=True))
                curves[Curve(curve.label, 0, points, published=True)] = None
            notes[published.note] = None
    numbered = [Curve(curve.name, number, curve.points, published=True) for number, curve in enumerate(curves)]
    return numbered, " ".join(filter(None, notes))
