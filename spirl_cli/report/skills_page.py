"""The page about skills: what each does to the state, and which ones a prior proposes where."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from spirl_cli.evaluation.skill_trials import VALUES, Proposal, Trial, by_effect, most_moved, plane
from spirl_cli.report.page import document

_WIDTH, _HEIGHT, _EDGE = 190, 110, 6
_SCATTER = 380
_MOST_AXES = 16


@dataclass(frozen=True)
class SkillStudy:
    """What is known of skills.

    Attributes:
        title: of the page.
        facts: words on what was done, one paragraph each.
        places: trials by the words that say from which state they start.
        proposals: what a prior chose in its episodes; empty without one.
        chosen: numbers of the state to show; empty for those that move most.
        films: MP4 files by axis and value, from the first of the places.
        no_film: why some are missing.
    """

    title: str
    facts: Sequence[str]
    places: Mapping[str, Sequence[Trial]]
    proposals: Sequence[Proposal] = ()
    chosen: Sequence[int] = ()
    films: Mapping[tuple[int, float], bytes] = field(default_factory=dict)
    no_film: str = ""


def skills_page(study: SkillStudy) -> str:
    """Write the page as HTML."""
    trials = [trial for own in study.places.values() for trial in own]
    numbers = list(study.chosen) or most_moved(trials, 4)
    order = by_effect(trials)
    parts = [
        f"<h1>{escape(study.title)}</h1>",
        *(f'<p class="note">{escape(fact)}</p>' for fact in study.facts),
        _key(),
    ]
    for place, own in study.places.items():
        parts.append(f"<h2>{escape(place)}</h2>")
        parts += [_axis(axis, own, numbers) for axis in order[:_MOST_AXES]]
        if len(order) > _MOST_AXES:
            parts.append(f'<p class="note">{len(order) - _MOST_AXES} further axes move the state less.</p>')
    parts += _films(study, order)
    if study.proposals:
        parts += _proposed(study.proposals, numbers)
    return document(study.title, "\n".join(parts))


def _key() -> str:
    items = (f'<li class="v{index}"><span class="key"></span>{value:+g}</li>' for index, value in enumerate(VALUES))
    text = "Each row is one number of the skill; its value decides the colour, the other numbers are 0."
    return f'<p class="note">{text} Rows are in order of effect.</p><ul class="legend">{"".join(items)}</ul>'


def _axis(axis: int, trials: Sequence[Trial], numbers: Sequence[int]) -> str:
    own = [trial for trial in trials if trial.axis == axis]
    charts = (_trajectories(own, trials, number) for number in numbers)
    return f'<div class="skill" data-axis="{axis}"><b>z<sub>{axis}</sub></b>{"".join(charts)}</div>'


def _trajectories(own: Sequence[Trial], everything: Sequence[Trial], number: int) -> str:
    """Draw one number of the state over the steps of skills; all rows share its range."""
    values = np.concatenate([trial.states[:, number] for trial in everything])
    low, high = float(values.min()), float(values.max())
    steps = max(len(trial.states) for trial in everything) - 1
    lines = []
    for trial in own:
        points = [
            f"{_across(step / steps, _WIDTH)},{_up((value - low) / ((high - low) or 1.0), _HEIGHT)}"
            for step, value in enumerate(trial.states[:, number])
        ]
        start, end = trial.states[0, number], trial.states[-1, number]
        title = f"<title>z{trial.axis} = {trial.value:+g}: state[{number}] from {start:.4g} to {end:.4g}</title>"
        index = VALUES.index(trial.value)
        lines.append(f'<g class="v{index}">{title}<polyline class="line" points="{" ".join(points)}"/></g>')
    label = f'<text class="tick" x="4" y="12">state[{number}] {low:.3g} to {high:.3g}</text>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="state[{number}]">{"".join(lines)}{label}</svg>'
    )


def _films(study: SkillStudy, order: Sequence[int]) -> Iterable[str]:
    if not study.films and not study.no_film:
        return
    yield f"<h2>Videos, {escape(next(iter(study.places)))}</h2>"
    if study.no_film:
        yield f'<p class="note">Some are missing: {escape(study.no_film)}</p>'
    for axis in order:
        for (own, value), data in study.films.items():
            if own == axis:
                source = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
                video = f'<video controls loop muted preload="metadata" src="{source}"></video>'
                yield f"<figure>{video}<figcaption>z<sub>{axis}</sub> = {value:+g}</figcaption></figure>"


def _proposed(proposals: Sequence[Proposal], numbers: Sequence[int]) -> Iterable[str]:
    """Yield two pictures with a dot for each choice: among the skills, and where in the state it was made."""
    flat = plane(np.stack([one.latent for one in proposals]))
    first = np.argsort(np.argsort(flat[:, 0])) / max(len(flat) - 1, 1)  # rank along the first component: the hue
    states = np.stack([one.state for one in proposals])
    x, y = [*numbers, numbers[0]][:2]
    yield "<h2>What the prior proposes where</h2>"
    yield (
        '<p class="note">A dot is a skill that was chosen in an episode. Left: skills, in the plane in which they vary '
        "most. Right: the states in which they were chosen. The colour is the place from left to right in "
        "the left picture, so equal colours are similar skills.</p>"
    )
    titles = [_title(one, numbers) for one in proposals]
    yield f'<div class="pair">{_scatter(flat, first, titles, "choices", ("first component", "second component"))}'
    yield f"{_scatter(states[:, [x, y]], first, titles, 'states', (f'state[{x}]', f'state[{y}]'))}</div>"


def _title(one: Proposal, numbers: Sequence[int]) -> str:
    state = ", ".join(f"state[{number}] {one.state[number]:.3g}" for number in numbers)
    latent = ", ".join(f"{value:.2f}" for value in one.latent)
    return f"episode {one.episode}, step {one.step}\n{state}\nz = ({latent})"


def _scatter(places: np.ndarray, hues: np.ndarray, titles: Sequence[str], name: str, axes: tuple[str, str]) -> str:
    low, high = places.min(0), places.max(0)
    shares = (places - low) / np.where(high > low, high - low, 1.0)
    dots = (
        f'<circle cx="{_across(x, _SCATTER)}" cy="{_up(y, _SCATTER)}" r="3.5" '
        f'style="fill:hsl({280 * hue:.0f} 70% 50%)"><title>{escape(title)}</title></circle>'
        for (x, y), hue, title in zip(shares, hues, titles, strict=True)
    )
    below = f"{axes[0]} {low[0]:.3g} to {high[0]:.3g}; upwards {axes[1]} {low[1]:.3g} to {high[1]:.3g}"
    frame = f'<rect class="frame" width="{_SCATTER}" height="{_SCATTER}"/>'
    svg = f'<svg viewBox="0 0 {_SCATTER} {_SCATTER}" role="img" aria-label="{name}">{frame}{"".join(dots)}</svg>'
    return f'<figure class="{name}">{svg}<figcaption>{escape(below)}</figcaption></figure>'


def _across(share: float, width: int) -> str:
    return f"{_EDGE + share * (width - 2 * _EDGE):.1f}"


def _up(share: float, height: int) -> str:
    return f"{height - _EDGE - share * (height - 2 * _EDGE - 10):.1f}"
