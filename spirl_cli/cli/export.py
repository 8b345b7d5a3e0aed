"""The command that copies artifacts for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spirl_cli.cli import complete
from spirl_cli.cli.console import emit, emit_json, note
from spirl_cli.cli.options import ArtifactsOption, JsonOption
from spirl_cli.cli.requests import open_store
from spirl_cli.payload import CLIPS
from spirl_cli.printable import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.store import Store

_ROOT = Path("artifacts")


def export(
    references: Annotated[
        list[str], typer.Argument(metavar="REF", help="Artifacts.", autocompletion=complete.references())
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of artifacts to copy into.")],
    whole: Annotated[bool, typer.Option("--whole", help="With all that continuing a training needs.")] = False,
    inputs: Annotated[
        bool, typer.Option("--inputs/--no-inputs", help="Also the skills, prior and agent they were made from.")
    ] = True,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Copy artifacts into another folder of artifacts, to share them.

    An agent's replay memory and checkpoint are left out: the copy can be used and evaluated, but
    not be trained further.
    """
    from spirl_cli.pipeline.graph import stage
    from spirl_cli.store.export import export as copy
    from spirl_cli.store.store import Store

    store, target = open_store(root), Store(to)
    copies = []
    for artifact in _chosen([store.resolve(text) for text in references], store, inputs):
        without = () if whole else stage(artifact.manifest.stage).continuation
        copies.append(copy(artifact, target, without))
        note(f"{artifact.reference} → {copies[-1].path}, {size(copies[-1].head.bytes)}")
    paths = [str(one.path) for one in copies]
    emit_json({"exported": paths}) if as_json else emit("\n".join(paths))


def _chosen(named: list[Artifact], store: Store, inputs: bool) -> Iterator[Artifact]:
    """Yield each artifact once, after the artifacts that it was made from; clips are data and are left out."""
    seen = set()
    for artifact in named:
        for one in [*(_made_from(artifact, store) if inputs else ()), artifact]:
            if one.path not in seen:
                seen.add(one.path)
                yield one


def _made_from(artifact: Artifact, store: Store) -> Iterator[Artifact]:
    for ancestor in store.lineage(artifact):
        if ancestor.artifact is not None and ancestor.name != CLIPS:
            yield from _made_from(ancestor.artifact, store)
            yield ancestor.artifact
