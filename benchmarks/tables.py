"""Published rows as markdown and CSV, and their place in the README.

``python -m benchmarks.tables artifacts/reference/results.json EVALUATION… --readme README.md``
adds evaluations to the published results and renews the README's table; without any evaluation
it only renews what is made from the results.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import groupby
from pathlib import Path

from spirl_cli.errors import SpirlError, UsageError
from spirl_cli.evaluation.aggregate import aggregate, publish
from spirl_cli.evaluation.results import ResultRow, read_rows
from spirl_cli.store.artifact import Artifact

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
# Recordings that came with the project and are on no public server.
UNFETCHABLE = ("relay/",)
COLUMNS = (
    "environment",
    "method",
    "data",
    "setting",
    "policy",
    "metric",
    "seeds x episodes",
    "env steps: mean [95 % interval]",
)


def markdown_table(rows: Sequence[ResultRow]) -> str:
    """Render rows as one table, a line per learning curve, followed by a note where data cannot be fetched by users."""
    lines = [_cells(COLUMNS), "|---" * len(COLUMNS) + "|"]
    lines += [_cells((*curve, " · ".join(map(_point, points)))) for curve, points in groupby(rows, _curve)]
    if any(_unfetchable(row) for row in rows):
        lines += ["", "† trained on recordings that are not public; the number cannot be reproduced elsewhere."]
    return "\n".join(lines) + "\n"


def _curve(row: ResultRow) -> tuple[str, ...]:
    """Return what the points of one learning curve have in common."""
    data = f"{_text(row.data)}{' †' if _unfetchable(row) else ''}"
    seeds = f"{row.seeds} x {row.episodes // row.seeds}"
    return (row.env, row.method, data, _setting(row), row.policy, row.metric, seeds)


def _point(row: ResultRow) -> str:
    return f"{row.env_steps:,}: **{row.mean:.2f}** [{row.low:.2f}, {row.high:.2f}]"


def _setting(row: ResultRow) -> str:
    """Return what distinguishes tasks in the same environment."""
    noise = None if row.noise is None else f"noise {row.noise}"
    reward = None if row.reward is None or row.layout is not None else f"{row.reward} reward"
    return ", ".join(filter(None, (row.order, noise, row.layout, reward))) or "-"


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _unfetchable(row: ResultRow) -> bool:
    return (row.data or "").startswith(UNFETCHABLE)


def write_csv(path: Path, rows: Sequence[ResultRow]) -> None:
    """Write rows as CSV: the learning curves for whoever draws them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(ResultRow)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def update_readme(readme: Path, rows: Sequence[ResultRow]) -> None:
    """Replace what stands between the two markers in a README by the table of `rows`.

    Raises:
        UsageError: the file has no such markers.
    """
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"{readme} has no lines {BEGIN} and {END}", "add them where the table belongs")
    readme.write_text(f"{before}{BEGIN}\n{markdown_table(rows)}{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Add evaluations, one per seed of the same pipeline, to the published results; print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=main.__doc__)
    parser.add_argument("results", type=Path, help="list of published rows, made where it does not exist")
    parser.add_argument("evaluations", nargs="*", help="evaluation artifacts, one per seed")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), help="where references are looked up")
    parser.add_argument("--readme", type=Path, help="file whose table between the markers is renewed")
    parser.add_argument("--curve", type=Path, help="picture of the learning curve of these evaluations to draw")
    parser.add_argument("--command", help="what made the numbers; default: as recorded in the first evaluation")
    options = parser.parse_args(arguments)
    try:
        rows = _publish(options)
        write_csv(options.results.with_suffix(".csv"), rows)
        if options.readme:
            update_readme(options.readme, rows)
    except SpirlError as error:
        print(error.message, error.hint, sep="\n", file=sys.stderr)
        return error.exit_code
    print(markdown_table(rows), end="")
    return 0


def _publish(options: argparse.Namespace) -> list[ResultRow]:
    from spirl_cli.store.store import Store

    if not options.evaluations:
        return read_rows(options.results)
    store = Store(options.artifacts)
    artifacts = [store.resolve(reference, stage="evaluation") for reference in options.evaluations]
    command = options.command or shlex.join(artifacts[0].manifest.command)
    rows = aggregate(artifacts, command=command)
    if options.curve:
        _draw(options.curve, artifacts[0], rows)
    return publish(options.results, rows)


def _draw(path: Path, evaluation: Artifact, rows: Sequence[ResultRow]) -> None:
    from pydantic import TypeAdapter

    from spirl_cli.domains.sections import EnvSection
    from spirl_cli.evaluation.figures import draw_learning_curve

    env: EnvSection = TypeAdapter(EnvSection).validate_python(evaluation.manifest.parameters["env"])
    first = rows[0]  # of the agent; baselines come after it
    draw_learning_curve(path, [row for row in rows if (row.method, row.metric) == (first.method, first.metric)], env)


if __name__ == "__main__":
    sys.exit(main())
