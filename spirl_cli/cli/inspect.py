"""The command that looks at a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spirl_cli.cli.console import emit, emit_json, note
from spirl_cli.cli.options import JsonOption
from spirl_cli.errors import UsageError

if TYPE_CHECKING:
    from spirl_cli.inspection.survey import Survey

_EPISODES = 200


def inspect(
    datasets: Annotated[
        list[str], typer.Argument(metavar="DATASET…", help="Minari ids, or paths of files or folders.")
    ],
    episodes: Annotated[
        int, typer.Option("--episodes", metavar="N", min=1, help="Read at most so many episodes, from the first.")
    ] = _EPISODES,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw histograms and trajectories too.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is in a dataset, and what spirl would do with it; of several, also whether they fit together.

    Exits with 3 if something of it cannot be read, after showing what could be, or if its actions are not
    continuous. What the recipe can mend, such as actions beyond their bounds, is said under `to do`.
    """
    from spirl_cli.cli.inspect_output import describe, describe_together
    from spirl_cli.inspection.summary import summary
    from spirl_cli.inspection.together import differences

    if plot is not None:
        _check_target(plot, datasets)
    found = [read_survey(dataset, episodes) for dataset in datasets]
    results, apart = [summary(one) for one in found], differences(found)
    if len(found) == 1:
        emit_json(results[0]) if as_json else emit(describe(results[0]))
    elif as_json:
        emit_json({"datasets": results, "differences": apart})
    else:
        emit("\n\n".join([*map(describe, results), describe_together(apart)]))
    if plot is not None and found[0].lengths:
        _draw(plot, found[0])
    for failure in (one.failure for one in found):
        if failure is not None:
            raise failure


def read_survey(dataset: str, episodes: int) -> Survey:
    """Read a dataset of this machine, with progress on stderr.

    Raises:
        DatasetError: there is none.
    """
    from spirl_cli.inspection.survey import open_named, survey
    from spirl_cli.monitor.reporter import RichReporter

    opened = open_named(dataset)
    with RichReporter().progress(f"inspect {dataset}", None, "episodes") as bar:
        return survey(opened, episodes, bar.update)


def _check_target(path: Path, datasets: Sequence[str]) -> None:
    if len(datasets) > 1:
        raise UsageError(f"--plot draws one dataset, not {len(datasets)}.", "name one of them")
    if path.suffix != ".png":
        raise UsageError(f"--plot writes a PNG, so its file must end in .png, unlike {path}.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", "make it first, or write somewhere else")


def _draw(path: Path, found: Survey) -> None:
    from spirl_cli.files import write_whole
    from spirl_cli.inspection.pictures import draw_page

    write_whole(path, draw_page(found))
    note(f"drawn: {path}")
