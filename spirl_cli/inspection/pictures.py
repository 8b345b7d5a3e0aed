"""A page of small pictures: a histogram of each number, and the states of a few episodes over time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from spirl_cli.inspection.columns import Column
from spirl_cli.inspection.survey import Survey
from spirl_cli.inspection.verdict import usable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 8
MOST = 96  # histograms on a page
_STATE, _ACTION, _LINES = "#00798c", "#d1495b", ("#3b6ea5", "#d1495b", "#4c956c", "#8f6bb0")
_TRAJECTORIES = 8  # numbers whose course is drawn: those that move most often


def draw_page(survey: Survey) -> bytes:
    """Return the page as a PNG; at most `MOST` numbers have a histogram, said in its title."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    numbers = list(_numbers(survey))
    shown, courses = numbers[:MOST], _courses(survey)
    rows = -(-(len(shown) + len(courses)) // COLUMNS) or 1
    figure = Figure(figsize=(2.0 * COLUMNS, 1.5 * rows + 0.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    left_out = f"; {len(numbers) - len(shown)} more numbers are not drawn" if len(numbers) > len(shown) else ""
    figure.suptitle(f"{survey.name}: {len(survey.lengths)} episodes{left_out}", fontsize=10)
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for place, (name, values, colour) in zip(axes, shown, strict=False):
        _histogram(place, name, values, colour)
    for place, course in zip(axes[len(shown) :], courses, strict=False):
        _course(place, course, survey.drawn)
    for place in axes[len(shown) + len(courses) :]:
        place.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _numbers(survey: Survey) -> Sequence[tuple[str, np.ndarray, str]]:
    """Return name, sampled values `(n,)` and colour of every number, observations first."""
    found = [(column, _STATE) for column in survey.columns.values() if usable(column)]
    if survey.actions is not None and survey.actions.numeric:
        found.append((survey.actions, _ACTION))
    return [
        (f"{_name(column)}[{place}]", values, colour) for column, colour in found for place, values in _split(column)
    ]


def _split(column: Column) -> list[tuple[int, np.ndarray]]:
    return list(enumerate(column.sample.T))


def _name(column: Column) -> str:
    return "observation" if column.key is None else column.key


def _histogram(axes: Axes, name: str, values: np.ndarray, colour: str) -> None:
    finite = values[np.isfinite(values)]
    if len(finite):
        axes.hist(finite, bins=30, color=colour)
    _label(axes, name if len(finite) and np.ptp(finite) else f"{name} (constant)" if len(finite) else f"{name} (none)")


def _courses(survey: Survey) -> list[int]:
    """Return the numbers of the joined state whose course is drawn: those that change at most steps."""
    if not survey.drawn:
        return []
    _, states = survey.drawn[0]
    changes = (np.diff(states, axis=0) != 0).mean(axis=0)
    return sorted(np.argsort(-changes, kind="stable")[:_TRAJECTORIES].tolist())


def _course(axes: Axes, number: int, episodes: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    for (steps, states), colour in zip(episodes, _LINES, strict=False):
        if number < states.shape[1]:
            axes.plot(steps, states[:, number], color=colour, linewidth=0.8)
    _label(axes, f"state[{number}] over steps")


def _label(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=6, pad=2)
    axes.tick_params(labelsize=5, length=2)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=3)
