"""The command that writes a recipe for a dataset and an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spirl_cli.cli.console import emit, emit_json, note
from spirl_cli.cli.inspect import read_survey
from spirl_cli.cli.options import JsonOption
from spirl_cli.monitor.streams import foreign_output_on_stderr

_EPISODES = 200  # that are read; more hardly change what is derived from them


def new(
    destination: Annotated[Path, typer.Argument(metavar="FILE", help="The new file, such as mine.yaml.")],
    dataset: Annotated[
        list[str], typer.Option("--dataset", metavar="DATASET", help="A Minari id or a path; repeatable.")
    ],
    env: Annotated[str, typer.Option("--env", metavar="ID", help="The environment's id among those of Gymnasium.")],
    module: Annotated[
        str | None, typer.Option("--module", metavar="NAME", help="A module to import first, if it registers the id.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a recipe for a dataset and an environment, from what both show.

    The environment is tried for a few steps. Every value has a comment on where it comes from, and
    the recipe runs as it stands. An existing file is never overwritten. Prints the new file's path.
    """
    from spirl_cli.inspection.draft import draft
    from spirl_cli.inspection.probe import probe_environment
    from spirl_cli.inspection.settings_from import basis
    from spirl_cli.inspection.together import joined
    from spirl_cli.inspection.verdict import windows
    from spirl_cli.recipe.library import check_new, write_new

    check_new(destination)
    with foreign_output_on_stderr():
        probe = probe_environment(env, module, destination.parent)
    survey = joined([read_survey(name, _EPISODES) for name in dataset])
    found = basis(survey, probe)
    write_new(destination, draft(found, destination))
    for sentence in (*survey.notes, *survey.problems, *([windows(survey)] if survey.jumps else [])):
        note(f"note: {sentence}")
    note(f"next: spirl run {destination} --profile quick")
    emit_json({"path": str(destination)}) if as_json else emit(str(destination))
