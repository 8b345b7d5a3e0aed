"""The commands that look at artifacts: list, show, verify, lineage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spirl_cli.cli import complete
from spirl_cli.cli.console import columns, duration, emit, emit_json, metrics_line, note, size
from spirl_cli.cli.matching import chosen
from spirl_cli.cli.options import ArtifactsOption, JsonOption, ReferenceArgument, StageName
from spirl_cli.cli.requests import open_store
from spirl_cli.errors import ArtifactError
from spirl_cli.pipeline.changes import CHANGES, changes_text, recorded_changes
from spirl_cli.printable import printable

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.lineage import Ancestor
    from spirl_cli.store.manifest import Manifest
    from spirl_cli.store.runs import RunInfo

_ROOT = Path("artifacts")
_COLUMNS = ("artifact", "fingerprint", "finished", "took", "size", "method", "profile", "seed", "changes", "metrics")


def list_(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="Only of this recipe.", autocompletion=complete.recipe_ids)
    ] = None,
    stage: Annotated[StageName | None, typer.Option("--stage", help="Only of this stage.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Only with this seed.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Only with this value in the recipe (repeatable)."),
    ] = None,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """List artifacts, oldest first, and unfinished runs.

    CHANGES is what differs from the recipe of that name. Unfinished runs are left out with --seed and --set.
    """
    store = open_store(root)
    wanted = (recipe, stage.value if stage else None)
    runs, broken = store.runs(*wanted) if seed is None and not settings else [], store.broken(*wanted)
    found = chosen(store.artifacts(*wanted), seed, settings or [])
    if as_json:
        emit_json(
            {
                "artifacts": [summary(artifact) for artifact in found],
                "unfinished": [_run_summary(run) for run in runs],
                "broken": [{"path": str(entry.path), "problem": entry.problem} for entry in broken],
            }
        )
        return
    rows = [*map(_row, found), *map(_run_row, runs)]
    if rows:
        emit(columns([name.upper() for name in _COLUMNS], rows))
    else:
        note(
            f"no artifacts in {store.root}" + (f" of the recipe '{recipe}'" if recipe else "") + _asked(seed, settings)
        )
    for entry in broken:
        note(f"broken: {entry.problem}")


def _asked(seed: int | None, settings: Sequence[str] | None) -> str:
    asked = [*([f"seed {seed}"] if seed is not None else []), *(settings or [])]
    return f" with {', '.join(asked)}" if asked else ""


def show(
    reference: ReferenceArgument,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Show what an artifact is: parameters, inputs, outputs, metrics and provenance."""
    artifact = open_store(root).resolve(reference)
    if as_json:
        emit_json({"artifact": artifact.reference, "path": str(artifact.path), **asdict(artifact.manifest)})
        return
    emit("\n".join(_shown(artifact)))


def verify(
    references: Annotated[
        list[str] | None,
        typer.Argument(metavar="REF", help="Default: all.", autocompletion=complete.references()),
    ] = None,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Compare artifacts with their checksums.

    Reads every file; exits with 3 when one is missing or damaged.
    """
    store = open_store(root)
    checked = [store.resolve(text) for text in references] if references else store.artifacts()
    problems = {str(artifact.path): artifact.verify() for artifact in checked}
    names = {str(artifact.path): artifact.reference for artifact in checked}
    for entry in [] if references else store.broken():
        problems[str(entry.path)] = [entry.problem]
    if as_json:
        rows = [{"artifact": names.get(path), "path": path, "problems": found} for path, found in problems.items()]
        emit_json(rows)
    else:
        for path, found in problems.items():
            emit(f"{names.get(path, path)}: {'; '.join(found) or 'ok'}")
    damaged = sum(1 for found in problems.values() if found)
    if damaged:
        raise ArtifactError(
            f"{damaged} of {len(problems)} artifacts are damaged.",
            "move their folders elsewhere and run the stages again",
        )


def lineage(
    reference: ReferenceArgument,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Show what an artifact was made from, back to the dataset."""
    store = open_store(root)
    artifact = store.resolve(reference)
    tree = store.lineage(artifact)
    if as_json:
        emit_json({**_node(artifact), "inputs": [_tree(ancestor) for ancestor in tree]})
        return
    emit("\n".join([f"{artifact.reference}  {artifact.fingerprint}", *_branches(tree)]))


def summary(artifact: Artifact) -> dict[str, Any]:
    """Return what a list says about an artifact."""
    manifest = artifact.manifest
    return {
        "artifact": artifact.reference,
        "path": str(artifact.path),
        "recipe": manifest.recipe,
        "stage": manifest.stage,
        "version": manifest.version,
        "fingerprint": manifest.fingerprint,
        "profile": manifest.profile,
        "method": _method(artifact),
        "seed": manifest.seed,
        CHANGES: recorded_changes(manifest),
        "started": manifest.started,
        "finished": manifest.finished,
        "seconds": manifest.seconds,
        "bytes": artifact.bytes,
        "metrics": manifest.metrics,
    }


def _row(artifact: Artifact) -> list[str]:
    manifest = artifact.manifest
    return [
        artifact.reference,
        manifest.fingerprint,
        _time(manifest.finished),
        duration(manifest.seconds),
        size(artifact.bytes),
        _method(artifact) or "-",
        manifest.profile or "-",
        str(manifest.seed),
        changes_text(recorded_changes(manifest)) or "-",
        metrics_line(manifest.metrics, limit=3),
    ]


def _method(artifact: Artifact) -> str | None:
    """Return what was given as `--method` when the artifact was made."""
    method = artifact.manifest.recorded("recipe", "method")
    return method if isinstance(method, str) else None


def _run_row(run: RunInfo) -> list[str]:
    return [f"{run.recipe}/{run.stage}", run.fingerprint, "unfinished", *"------", _run_state(run)]


def _run_state(run: RunInfo) -> str:
    if run.locked:
        return f"running ({run.holder})" if run.holder else "running"
    return "resumable with the same command" if run.has_checkpoint else "no checkpoint; repeat the same command"


def _run_summary(run: RunInfo) -> dict[str, Any]:
    fields = {key: value for key, value in asdict(run).items() if key != "holder"}
    return {**fields, "path": str(run.path), "holder": asdict(run.holder) if run.holder else None}


def _time(iso: str) -> str:
    """Shorten an ISO time to minutes, in local time."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):  # the last two: of a year that the system cannot convert
        return iso


def _shown(artifact: Artifact) -> Iterator[str]:
    """Yield the lines of `show`."""
    import yaml

    manifest = artifact.manifest
    yield f"{artifact.reference}  ({artifact.path})"
    yield from (f"{name:<12} {printable(text)}" for name, text in _provenance(manifest).items())
    yield "\nmetrics"
    yield from (f"  {printable(name)}  {value:.6g}" for name, value in manifest.metrics.items())
    if manifest.extra.get("findings"):
        yield "\nfindings"
        yield from (f"  {printable(str(text))}" for text in manifest.extra["findings"])
    yield "\ninputs"
    yield from (f"  {name}  {record.reference}  {record.fingerprint}" for name, record in manifest.inputs.items())
    yield "\noutputs"
    yield from (f"  {output.file}  {size(output.bytes)}" for output in manifest.outputs)
    yield "\nparameters"
    text = yaml.safe_dump(manifest.parameters, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    yield from (f"  {line}" for line in text.splitlines())


def _provenance(manifest: Manifest) -> dict[str, str]:
    return {
        "fingerprint": manifest.fingerprint,
        "profile": manifest.profile or "-",
        "seed": str(manifest.seed),
        "finished": f"{_time(manifest.finished)}, took {duration(manifest.seconds)}",
        "command": " ".join(manifest.command),
        "commit": manifest.commit or "-",
        "machine": f"{manifest.machine.processor}, {manifest.machine.cores} cores",
        "packages": ", ".join(f"{name} {version}" for name, version in manifest.packages.items()),
    }


def _node(artifact: Artifact) -> dict[str, Any]:
    return {"artifact": artifact.reference, "path": str(artifact.path), "fingerprint": artifact.fingerprint}


def _tree(ancestor: Ancestor) -> dict[str, Any]:
    return {
        "name": ancestor.name,
        "status": ancestor.status,
        **asdict(ancestor.record),
        "path": str(ancestor.artifact.path) if ancestor.artifact else None,
        "inputs": [_tree(below) for below in ancestor.inputs],
    }


def _branches(tree: Sequence[Ancestor], indent: str = "") -> Iterator[str]:
    for position, ancestor in enumerate(tree):
        last = position == len(tree) - 1
        remark = {"missing": "  (missing)", "changed": "  (made again since)"}.get(ancestor.status, "")
        record = ancestor.record
        yield f"{indent}{'└─' if last else '├─'} {ancestor.name}: {record.reference}  {record.fingerprint}{remark}"
        yield from _branches(ancestor.inputs, indent + ("   " if last else "│  "))
