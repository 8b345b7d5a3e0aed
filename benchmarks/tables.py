"""Adds evaluations to the rows of results, and renews the tables of all rows.

`python -m benchmarks.tables kitchen/evaluation@v1 … --docs docs/results.md --readme README.md`
adds evaluations, one per seed of the same pipeline, to the published results and renews the tables in the documents.
Without evaluations it only renews the tables.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.markdown import headline_table, result_tables
from benchmarks.publishing import RESULTS, publish, write_csv, write_text
from spirl_cli.errors import SpirlError, UsageError
from spirl_cli.evaluation.aggregate import aggregate
from spirl_cli.evaluation.results import ResultRow, read_rows
from spirl_cli.payload import EVALUATION
from spirl_cli.store.artifact import Artifact

BEGIN, END = "<!-- results -->", "<!-- /results -->"


def docs_part(rows: Sequence[ResultRow]) -> str:
    """Render the content between the markers of `docs/results.md`."""
    return f"## Beside published numbers\n\n{headline_table(rows)}\n{result_tables(rows)}"


def renewed(text: str, content: str, name: str) -> str:
    """Return a document with new content between its two markers.

    Args:
        text: the document.
        content: complete lines to put between the markers.
        name: name of the document, for the error.

    Raises:
        UsageError: the document has no such markers.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"{name} has no lines {BEGIN} and {END}", "add them where the tables belong")
    return f"{before}{BEGIN}\n{content}{END}{after}"


def renew(path: Path, content: str) -> None:
    """Replace the content between the two markers in a file.

    Raises:
        UsageError: there is no such file, or it has no such markers.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}", f"make one with the lines {BEGIN} and {END}")
    write_text(path, renewed(path.read_text(encoding="utf-8"), content, str(path)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Add evaluations to the published results, and renew the tables; print tables that have no file."""
    options = _parser().parse_args(arguments)
    try:
        rows = _publish(options)
        write_csv(options.results.with_suffix(".csv"), rows)
        if options.docs:
            renew(options.docs, docs_part(rows))
        if options.readme:
            renew(options.readme, headline_table(rows))
    except SpirlError as error:
        print(error.message, error.hint, sep="\n", file=sys.stderr)
        return error.exit_code
    if not (options.docs or options.readme):
        print(result_tables(rows), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=main.__doc__)
    parser.add_argument("evaluations", nargs="*", help="evaluation artifacts, one per seed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="list of published rows (default: %(default)s)")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), help="where references are looked up")
    parser.add_argument("--docs", type=Path, help="file whose tables of all results are renewed")
    parser.add_argument("--readme", type=Path, help="file whose short table is renewed")
    parser.add_argument("--curve", type=Path, help="picture of the learning curve of these evaluations to draw")
    parser.add_argument("--command", help="what made the numbers; default: as recorded in the first evaluation")
    return parser


def _publish(options: argparse.Namespace) -> list[ResultRow]:
    from spirl_cli.store.store import Store

    if not options.evaluations:
        return read_rows(options.results)
    store = Store(options.artifacts)
    artifacts = [store.resolve(reference, stage=EVALUATION) for reference in options.evaluations]
    command = options.command or shlex.join(artifacts[0].manifest.command)
    rows = aggregate(artifacts, command=command)
    if options.curve:
        _draw(options.curve, artifacts[0], rows)
    return publish(options.results, rows)


def _draw(path: Path, evaluation: Artifact, rows: Sequence[ResultRow]) -> None:
    from spirl_cli.domains.registry import read_section
    from spirl_cli.evaluation.figures import draw_learning_curve

    env = read_section(evaluation.manifest.parameters["env"])
    first = rows[0]  # the agent's row; baselines come after it
    draw_learning_curve(path, [row for row in rows if (row.method, row.metric) == (first.method, first.metric)], env)


if __name__ == "__main__":
    sys.exit(main())
