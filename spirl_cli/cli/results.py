"""The commands that show results of evaluations and sweeps: tables and pictures for papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spirl_cli.cli import complete
from spirl_cli.cli.console import columns, emit, emit_json
from spirl_cli.cli.gather import gather, say_problems
from spirl_cli.cli.options import ArtifactsOption, JsonOption
from spirl_cli.cli.requests import open_store
from spirl_cli.errors import UsageError, did_you_mean
from spirl_cli.payload import EVALUATION

if TYPE_CHECKING:
    from spirl_cli.report.lines import Line
    from spirl_cli.report.result_table import Table

_ROOT = Path("artifacts")
_ENDINGS = (".png", ".pdf", ".svg")


class PolicyKind(StrEnum):
    """Which action of a policy was taken."""

    sampled = "sampled"
    mean = "mean"


NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SWEEP|REF",
        help="Sweeps, and evaluations such as kitchen/evaluation@v3; default: the sweep started last.",
        autocompletion=complete.references(EVALUATION),
    ),
]
MetricOption = Annotated[str | None, typer.Option("--metric", metavar="NAME", help="Only this metric.")]
KindOption = Annotated[
    PolicyKind | None, typer.Option("--policy", help="Which policy; default: sampled, where there is one.")
]


def table(
    names: NamesArgument = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write Markdown.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Write LaTeX with booktabs.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write every row with all its fields.")] = False,
    metric: MetricOption = None,
    policy: KindOption = None,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Show results as a table: conditions × environment steps, with 95 % intervals.

    Evaluations that differ in their seeds only are joined. The largest mean of each column stands
    out. At 0 steps stand the prior, its skills without it, and what the demonstrations recorded.
    """
    from spirl_cli.report.result_table import named_rows, rows_csv

    if sum((markdown, latex, csv, as_json)) > 1:
        raise UsageError("--markdown, --latex, --csv and --json exclude one another.", "choose one")
    lines = gather(names, open_store(root)).lines
    say_problems(lines)
    found = _tables(lines, metric, policy)
    rows = [one for one in named_rows(lines) if metric in (None, one[1].metric)]
    if as_json:
        emit_json([{"name": name, **asdict(row)} for name, row in rows])
    elif csv:
        emit(rows_csv([row for _, row in rows], [name for name, _ in rows]).rstrip("\n"))
    else:
        emit("\n\n".join(_written(one, markdown=markdown, latex=latex) for one in found))


def plot(
    names: NamesArgument = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The picture: FILE.png, FILE.pdf or FILE.svg.")
    ] = Path("results.png"),
    metric: Annotated[str | None, typer.Option("--metric", metavar="NAME", help="Default: the first one.")] = None,
    policy: KindOption = None,
    title: Annotated[str | None, typer.Option("--title", help="Default: metric, environment and policy.")] = None,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Draw learning curves: the interquartile mean over seeds, with bootstrap bands.

    Evaluations that differ in their seeds only are one curve. What to compare with is dotted,
    published curves are dashed. Prints the path of the file.
    """
    from spirl_cli.evaluation.statistics import interquartile_mean
    from spirl_cli.report.picture import draw

    if output.suffix.lower() not in _ENDINGS:
        raise UsageError(f"-o {output}: a picture ends with {', '.join(_ENDINGS)}.", "name such a file")
    if not output.parent.is_dir():
        raise UsageError(f"There is no folder {output.parent}.", "make it first, or write somewhere else with -o FILE")
    lines = gather(names, open_store(root), interquartile_mean).lines
    say_problems(lines)
    chosen = _tables(lines, metric, policy)
    drawn = draw(output, lines, chosen[0], title)
    emit_json({"path": str(output), "curves": drawn}) if as_json else emit(str(output))


def _tables(lines: Sequence[Line], metric: str | None, policy: PolicyKind | None) -> list[Table]:
    """Return the tables that were asked for, at least one.

    Raises:
        UsageError: there is no such metric or policy.
    """
    from spirl_cli.report.result_table import tables

    found = tables(lines, metric, policy.value if policy else None)
    if found:
        return found
    known = sorted({row.metric for line in lines for row in line.rows})
    if metric is not None and metric not in known:
        raise UsageError(
            f"--metric {metric}: the evaluations have none.{did_you_mean(metric, known)}", f"known: {', '.join(known)}"
        )
    asked = f" of the policy '{policy.value}'" if policy else ""
    raise UsageError(f"The evaluations have no numbers{asked}.", "leave --policy out, or evaluate with it")


def _written(table: Table, *, markdown: bool, latex: bool) -> str:
    from spirl_cli.report import result_table

    if markdown:
        return result_table.markdown(table)
    return result_table.latex(table) if latex else result_table.plain(table, columns)
