"""The command that deletes artifacts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spirl_cli.cli import complete
from spirl_cli.cli.console import emit, emit_json, note
from spirl_cli.cli.options import ArtifactsOption, JsonOption
from spirl_cli.cli.requests import open_store
from spirl_cli.errors import UsageError
from spirl_cli.printable import size

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.runs import RunInfo
    from spirl_cli.store.store import Store

_ROOT = Path("artifacts")


def remove(
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="REF", help="Artifacts, or folders of unfinished runs.", autocompletion=complete.references()
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also when others were made from it.")] = False,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Delete artifacts or unfinished runs, after asking."""
    store = open_store(root)
    runs, named = _split_runs(references, store)
    artifacts = _in_order_of_removal([store.resolve(text) for text in named], store, force)
    for artifact in artifacts:
        note(f"{artifact.reference}  {artifact.path}  {size(artifact.head.bytes)}")
    for run in runs:
        note(f"unfinished {run.recipe}/{run.stage}  {run.path}")
    if not yes and not _confirmed(len(artifacts) + len(runs)):
        note("nothing was removed")
        return
    for artifact in artifacts:
        store.remove(artifact, force=force)
    for run in runs:
        store.remove_run(run)
    removed = [*(str(artifact.path) for artifact in artifacts), *(str(run.path) for run in runs)]
    emit_json({"removed": removed}) if as_json else emit("\n".join(removed))


def _split_runs(references: Sequence[str], store: Store) -> tuple[list[RunInfo], list[str]]:
    """Tell folders of unfinished runs from references of artifacts."""
    by_path = {run.path.resolve(): run for run in store.runs()}
    runs = [by_path[Path(text).resolve()] for text in references if Path(text).resolve() in by_path]
    return runs, [text for text in references if Path(text).resolve() not in by_path]


def _in_order_of_removal(artifacts: Sequence[Artifact], store: Store, force: bool) -> list[Artifact]:
    """Order artifacts so that each comes before its inputs, and refuse before anything is deleted.

    Raises:
        UsageError: something else was made from one of them, and `force` is false.
    """
    unique = list({artifact.path.resolve(): artifact for artifact in artifacts}.values())
    going = {artifact.path.resolve() for artifact in unique}
    for artifact in unique:
        staying = [other for other in store.dependents(artifact) if other.path.resolve() not in going]
        if staying and not force:
            names = ", ".join(other.reference for other in staying)
            raise UsageError(
                f"{artifact.reference} cannot be removed: made from it: {names}.", "name those too, or add --force"
            )
    return sorted(unique, key=lambda artifact: artifact.manifest.finished, reverse=True)


def _confirmed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on.", "add --yes to remove without asking")
    return typer.confirm(f"remove {'this' if count == 1 else f'these {count}'}?", err=True)
