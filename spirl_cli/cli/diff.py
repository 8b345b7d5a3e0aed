"""The command that compares two artifacts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_cli.cli.console import emit, emit_json, note
from spirl_cli.cli.options import ArtifactsOption, JsonOption, ReferenceArgument
from spirl_cli.cli.requests import open_store
from spirl_cli.payload import EVALUATION

if TYPE_CHECKING:
    from spirl_cli.evaluation.compare import MetricDifference
    from spirl_cli.store.artifact import Artifact

_ROOT = Path("artifacts")


def diff(
    left: ReferenceArgument,
    right: ReferenceArgument,
    root: ArtifactsOption = _ROOT,
    as_json: JsonOption = False,
) -> None:
    """Say how two artifacts differ: in parameters, inputs and package versions.

    Of two evaluations it also shows the metrics, and their differences with 95 % intervals; episodes
    that begin alike are compared one by one.
    """
    from spirl_cli.store.diff import diff as differences_of

    store = open_store(root)
    ours, theirs = store.resolve(left), store.resolve(right)
    found = differences_of(ours, theirs)
    results = _compared(ours, theirs)
    if as_json:
        emit_json([*map(asdict, found), *({"path": result.path, **asdict(result)} for result in results)])
        return
    for line in (*found, *results):
        emit(str(line))
    if not found:
        note("no difference in parameters, inputs and package versions")


def _compared(left: Artifact, right: Artifact) -> list[MetricDifference]:
    """Compare the metrics of two evaluations; other artifacts have nothing to compare."""
    if left.manifest.stage != EVALUATION:
        return []
    from spirl_cli.evaluation.compare import compare

    return compare(left, right)
