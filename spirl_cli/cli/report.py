"""The command that writes a report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from spirl_cli.cli import complete
from spirl_cli.cli.console import emit, emit_json
from spirl_cli.cli.gather import gather, say_problems
from spirl_cli.cli.options import ArtifactsOption, JsonOption
from spirl_cli.cli.requests import open_store
from spirl_cli.errors import UsageError
from spirl_cli.payload import EVALUATION

_ROOT = Path("artifacts")
_OUTPUT = Path("report.html")


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SWEEP|REF",
            help="Sweeps, and evaluations such as kitchen/evaluation@v3; default: the sweep started last.",
            autocompletion=complete.references(EVALUATION),
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The HTML file to write.")] = _OUTPUT,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Write the results of sweeps and evaluations as one HTML file that opens anywhere.

    Learning curves and a table with intervals over seeds and episodes, and what each number was
    made from. Prints the path of the file.
    """
    from spirl_cli.files import write_whole
    from spirl_cli.report.page import page

    store = open_store(root)
    gathered = gather(names, store)
    chosen, lines, unfinished, records = gathered.names, gathered.lines, gathered.unfinished, gathered.records
    if not output.parent.is_dir():
        raise UsageError(f"There is no folder {output.parent}.", "make it first, or write somewhere else with -o FILE")
    commands = "; ".join(shlex.join(record.command) for record in records)
    draw = list(dict.fromkeys(drawing for record in records for drawing in record.draw))
    text = page(" + ".join(chosen), lines, unfinished, commands, draw)
    write_whole(output, text.encode())
    say_problems(lines)
    if as_json:
        emit_json({"path": str(output), "lines": [line.name for line in lines], "unfinished": len(unfinished)})
    else:
        emit(str(output))
