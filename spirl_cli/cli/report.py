"""The command that writes a report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spirl_cli.cli import complete
from spirl_cli.cli.console import emit, emit_json, note
from spirl_cli.cli.options import ArtifactsOption, JsonOption
from spirl_cli.cli.requests import open_store
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.payload import EVALUATION

if TYPE_CHECKING:
    from spirl_cli.report.lines import Line, Unfinished
    from spirl_cli.store.store import Store
    from spirl_cli.sweep.record import Record

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
    from spirl_cli.sweep.record import known_sweeps

    store = open_store(root)
    known = known_sweeps(store.root)
    chosen = names or known[-1:]
    if not chosen:
        raise ArtifactError(f"There is no sweep in {store.root}.", "name evaluations, such as kitchen/evaluation@v1")
    lines, unfinished, records = _gather(chosen, known, store)
    if not lines:
        raise ArtifactError(f"{', '.join(chosen)} has no results yet.", "'spirl sweep status' shows how far it is")
    if not output.parent.is_dir():
        raise UsageError(f"There is no folder {output.parent}.", "make it first, or write somewhere else with -o FILE")
    commands = "; ".join(shlex.join(record.command) for record in records)
    draw = list(dict.fromkeys(drawing for record in records for drawing in record.draw))
    text = page(" + ".join(chosen), lines, unfinished, commands, draw)
    write_whole(output, text.encode())
    for line in lines:
        if line.problem:
            note(f"note: {line.name} has no numbers: {line.problem}")
    if as_json:
        emit_json({"path": str(output), "lines": [line.name for line in lines], "unfinished": len(unfinished)})
    else:
        emit(str(output))


def _gather(chosen: list[str], known: list[str], store: Store) -> tuple[list[Line], list[Unfinished], list[Record]]:
    """Return the conditions of what was named, the cells without a result, and the sweeps' records."""
    from spirl_cli.report.lines import line, lines_of
    from spirl_cli.sweep.drive import recorded_status
    from spirl_cli.sweep.record import sweep_folder

    lines: list[Line] = []
    unfinished: list[Unfinished] = []
    records: list[Record] = []
    for name in chosen:
        if name not in known:
            artifact = store.resolve(name, stage=EVALUATION)
            lines.append(line(artifact.reference, [artifact]))
            continue
        record, status = recorded_status(store, sweep_folder(store.root, name))
        found, missing = lines_of(status)
        lines += found
        unfinished += missing
        records.append(record)
    return lines, unfinished, records
