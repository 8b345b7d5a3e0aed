"""The command that writes a report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spirl_cli.cli import complete
from spirl_cli.cli.console import emit, emit_json
from spirl_cli.cli.gather import gather, say_problems
from spirl_cli.cli.options import ArtifactsOption, JsonOption, TrustOption
from spirl_cli.cli.requests import open_store
from spirl_cli.errors import UsageError
from spirl_cli.payload import EVALUATION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spirl_cli.store.store import Store

_ROOT = Path("artifacts")
_OUTPUT = Path("report.html")


_SkillsOption = Annotated[
    str | None,
    typer.Option(
        "--skills",
        metavar="REF",
        help="Show what skills do instead: of skills, a prior or an agent.",
        autocompletion=complete.references(),
    ),
]
_PriorOption = Annotated[
    str | None,
    typer.Option("--prior", metavar="REF", help="With --skills: whose choices to show; default: the newest."),
]
_StateOption = Annotated[
    str | None,
    typer.Option("--state", metavar="0:3,7", help="With --skills: numbers of the state; default: what moves most."),
]


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
    video: Annotated[bool, typer.Option("--video/--no-video", help="Write videos into the page.")] = True,
    skills: _SkillsOption = None,
    prior: _PriorOption = None,
    state: _StateOption = None,
    trust_module: TrustOption = None,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Write the results of sweeps and evaluations as one HTML file that opens anywhere.

    Learning curves and a table with intervals over seeds and episodes, and what each number was
    made from; with --skills, what skills do and which ones a prior proposes where. Prints the path
    of the file.
    """
    from spirl_cli.cli.report_skills import SkillsAsked, skills_text

    store = open_store(root)
    if skills is None:
        text, described = _results_text(names, store, video)
        return _finish(output, text, described, as_json)
    if names:
        raise UsageError("--skills shows one artifact: name no sweep or evaluation with it.")
    asked = SkillsAsked(skills, prior, state, video, tuple(trust_module or ()))
    return _finish(output, skills_text(asked, store), {}, as_json)


def _results_text(names: Sequence[str] | None, store: Store, video: bool) -> tuple[str, dict[str, object]]:
    """Return the page about sweeps and evaluations, and what is on it."""
    from spirl_cli.report.page import page

    gathered = gather(names, store)
    lines, records = gathered.lines, gathered.records
    commands = "; ".join(shlex.join(record.command) for record in records)
    draw = list(dict.fromkeys(drawing for record in records for drawing in record.draw))
    title, known = " + ".join(gathered.names), store.artifacts()
    text = page(title, lines, gathered.unfinished, commands, draw, known, videos=video)
    say_problems(lines)
    return text, {"lines": [line.name for line in lines], "unfinished": len(gathered.unfinished)}


def _finish(output: Path, text: str, described: Mapping[str, object], as_json: bool) -> None:
    """Write the page and print its path.

    Raises:
        UsageError: there is no folder for it.
    """
    from spirl_cli.files import write_whole

    if not output.parent.is_dir():
        raise UsageError(f"There is no folder {output.parent}.", "make it first, or write somewhere else with -o FILE")
    write_whole(output, text.encode())
    if as_json:
        emit_json({"path": str(output), **described})
    else:
        emit(str(output))
