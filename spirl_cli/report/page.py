"""The page: curves, a sortable table, what was run, and where it ran, in one file without any link."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from spirl_cli.evaluation.results import ResultRow
from spirl_cli.payload import EVALUATION
from spirl_cli.report import origin
from spirl_cli.report.bars import task_bars
from spirl_cli.report.chart import COLOURS, PUBLISHED, Curve, Point, chart
from spirl_cli.report.lines import Line, Unfinished
from spirl_cli.report.media import media
from spirl_cli.report.pipeline import pipeline
from spirl_cli.report.published import published_curves
from spirl_cli.report.table import cell, number, table
from spirl_cli.store.artifact import Artifact

_INTERVALS = (
    "Bands and brackets: 95 % bootstrap intervals that resample seeds and, within each, episodes. "
    "With one seed they say how noisy its episodes are, and nothing about other seeds."
)


def page(
    title: str,
    lines: Sequence[Line],
    unfinished: Sequence[Unfinished] = (),
    command: str = "",
    draw: Sequence[tuple[str, str | None]] = (),
    known: Sequence[Artifact] = (),
    *,
    videos: bool = True,
) -> str:
    """Write a report as HTML.

    Args:
        title: of the page.
        lines: its conditions; each keeps one colour in all charts.
        unfinished: cells that have no result yet.
        command: what goes on with the sweep; empty for none.
        draw: axes against which results of the last step are drawn, each with a metric or None for all.
        known: the artifacts of the store, among which those are looked for that evaluations were made from.
        videos: write them into the page.
    """
    evaluations = [artifact for line in lines for artifact in line.evaluations]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">{_summary(lines, unfinished)}</p>',
        _legend(lines),
        *_statistics(lines),
        *_charts(lines),
        *(part for against, metric in draw for part in _against(lines, against, metric)),
        *(part for policy, bars in task_bars(lines) for part in (f"<h2>Tasks, {escape(policy)} policy</h2>", bars)),
        *_headed("Pictures and videos", media(lines, videos=videos)),
        "<h2>Results</h2>",
        f'<p class="note">{_INTERVALS}</p>',
        _results(lines),
        "<h2>Evaluations</h2>",
        _evaluations(lines),
        *_unfinished(unfinished),
        *_origin(lines, evaluations, known),
        *([f"<h2>Command</h2><p><code>{escape(command)}</code></p>"] if command else []),
    ]
    return document(title, "\n".join(parts))


def _origin(lines: Sequence[Line], evaluations: Sequence[Artifact], known: Sequence[Artifact]) -> Iterable[str]:
    """Yield what the numbers were made from, where and by what."""
    artifacts = origin.behind(evaluations, known)
    yield from _headed("Pipeline", [pipeline(evaluations, known)] if evaluations else [])
    yield from _headed("Differences of the recipes", filter(None, [origin.recipe_differences(lines)]))
    yield from _headed("Warnings of the runs", filter(None, [origin.findings(artifacts)]))
    yield from _headed("Machines", [origin.machines(artifacts)] if artifacts else [])
    yield from _headed("Versions", [origin.versions(artifacts)] if artifacts else [])


def _headed(title: str, parts: Iterable[str]) -> Iterable[str]:
    """Yield a head and what comes below it; nothing where nothing does."""
    found = [*parts]
    if found:
        yield f"<h2>{title}</h2>"
        yield from found


def _statistics(lines: Sequence[Line]) -> Iterable[str]:
    """Yield what chooses between mean and interquartile mean, where there are enough seeds for one."""
    if any(line.middle for line in lines):
        yield (
            '<p class="statistic"><label><input type="radio" name="statistic" value="mean" checked> mean</label> '
            '<label><input type="radio" name="statistic" value="middle"> interquartile mean over seeds</label></p>'
        )


def document(title: str, body: str) -> str:
    """Write a whole page from its body, with style and script in it."""
    here = Path(__file__).parent
    style, script = (here.joinpath(f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _summary(lines: Sequence[Line], unfinished: Sequence[Unfinished]) -> str:
    evaluations = sum(len(line.evaluations) for line in lines)
    text = f"{len(lines)} conditions, {evaluations} evaluations"
    return text + (f"; {len(unfinished)} cells have no result yet" if unfinished else "")


def _names(curves: Sequence[Curve]) -> str:
    """Write what the colours of one chart mean, where they are not those of the conditions."""
    items = (
        f'<li class="c{curve.number % COLOURS}"><span class="key"></span>{escape(curve.name)}</li>' for curve in curves
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _legend(lines: Sequence[Line]) -> str:
    items = (
        f'<li class="c{number % COLOURS}"><label><input type="checkbox" value="{number}" checked>'
        f'<span class="key"></span>{escape(line.name)}</label></li>'
        for number, line in enumerate(lines)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _charts(lines: Sequence[Line]) -> Iterable[str]:
    """Yield a chart for each metric and policy, in the order of the rows."""
    kinds = dict.fromkeys((row.env, row.metric, row.policy) for line in lines for row in line.rows)
    for env, metric, policy in kinds:
        published, note = published_curves(lines, env, metric)
        yield f"<h2>{escape(metric)} in {escape(env)}, {escape(policy)} policy</h2>"
        if published:
            yield _published_names(published)
        for statistic in ("mean", "middle"):
            curves = _curves(lines, (env, metric, policy), middle=statistic == "middle")
            if curves:
                yield f'<div class="of-{statistic}">{chart([*published, *curves], metric)}</div>'
        if note:
            yield f'<p class="note">{escape(note)}</p>'


def _curves(lines: Sequence[Line], kind: tuple[str, str, str], *, middle: bool) -> list[Curve]:
    """Return a curve for each condition that has numbers of a kind."""
    if middle and not any(line.middle for line in lines):
        return []
    curves = []
    for place, line in enumerate(lines):
        chosen = (line.middle or line.rows) if middle else line.rows
        rows = [row for row in chosen if (row.env, row.metric, row.policy) == kind]
        if rows:
            curves.append(Curve(line.name, place, tuple(_points(rows))))
    return curves


def _published_names(curves: Sequence[Curve]) -> str:
    items = (
        f'<li class="p{curve.number % PUBLISHED}"><svg class="dash" viewBox="0 0 28 8">'
        f'<line class="line" x1="0" x2="28" y1="4" y2="4"/></svg>{escape(curve.name)}</li>'
        for curve in curves
    )
    box = '<li><label><input type="checkbox" value="published" checked>published</label></li>'
    return f'<ul class="legend">{box}{"".join(items)}</ul>'


def _against(lines: Sequence[Line], against: str, wanted: str | None) -> Iterable[str]:
    """Yield a chart for each metric and policy of the last step's results over the values of an axis."""
    own = [line for line in lines if against in line.settings]
    kinds = dict.fromkeys((row.env, row.metric, row.policy) for line in own for row in line.rows)
    for env, metric, policy in kinds:
        if wanted is not None and metric != wanted:
            continue
        curves: dict[str, list[Point]] = {}
        for line in own:
            rows = [row for row in line.rows if (row.env, row.metric, row.policy) == (env, metric, policy)]
            others = " ".join(str(value) for key, value in line.settings.items() if key != against)
            for row in sorted(rows, key=lambda row: row.env_steps)[-1:]:
                point = Point(line.settings[against], row.mean, row.low, row.high)
                curves.setdefault(others, []).append(point)
        drawn = [
            Curve(name or metric, number, tuple(sorted(points, key=lambda point: point.x)))
            for number, (name, points) in enumerate(curves.items())
        ]
        yield f"<h2>{escape(metric)} against {escape(against)} in {escape(env)}, {escape(policy)} policy</h2>"
        yield _names(drawn)
        yield chart(drawn, metric, against)


def _points(rows: Iterable[ResultRow]) -> list[Point]:
    points = [Point(row.env_steps, row.mean, row.low, row.high) for row in rows]
    return sorted(points, key=lambda point: point.x)


def _results(lines: Sequence[Line]) -> str:
    header = ("condition", "metric", "policy", "steps", "mean", "low", "high", "seeds", "episodes")
    rows = []
    for line in lines:
        for row in line.rows:
            numbers = (row.env_steps, row.mean, row.low, row.high, row.seeds, row.episodes)
            rows.append([cell(text) for text in (line.name, row.metric, row.policy)] + [*map(number, numbers)])
    problems = "".join(f"<p>{escape(line.name)}: {escape(line.problem)}</p>" for line in lines if line.problem)
    return table(header, rows) + problems


def _evaluations(lines: Sequence[Line]) -> str:
    header = ("condition", "seed", EVALUATION, "fingerprint", "made from", "commit", "machine", "took (s)")
    rows = [_evaluation(line.name, artifact) for line in lines for artifact in line.evaluations]
    return table(header, rows)


def _evaluation(name: str, artifact: Artifact) -> list[str]:
    manifest = artifact.manifest
    made_from = ", ".join(f"{record.reference} {record.fingerprint}" for record in manifest.inputs.values())
    texts = (artifact.reference, manifest.fingerprint, made_from, manifest.commit or "-", manifest.machine.processor)
    return [cell(name), number(manifest.seed), *map(cell, texts), number(manifest.seconds)]


def _unfinished(cells: Sequence[Unfinished]) -> list[str]:
    if not cells:
        return []
    rows = [[cell(one.label), cell(one.state)] for one in cells]
    return ["<h2>Without a result yet</h2>", table(("cell", "state"), rows)]
