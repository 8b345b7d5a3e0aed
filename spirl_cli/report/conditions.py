"""Evaluations that differ in nothing but their seeds are one condition."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spirl_cli.evaluation.statistics import Statistic, mean_of_seeds
from spirl_cli.pipeline.changes import changes_text, recorded_changes
from spirl_cli.report.lines import Line, line
from spirl_cli.store.fingerprint import canonical

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact


def joined(evaluations: Sequence[Artifact], statistic: Statistic = mean_of_seeds) -> list[Line]:
    """Return one line per condition, in the order in which the conditions are met.

    A condition of one evaluation has its reference as its name; one of several seeds the name of the recipe and what
    was changed in it.
    """
    groups: defaultdict[str, dict[str, Artifact]] = defaultdict(dict)
    for artifact in evaluations:
        groups[_condition(artifact)].setdefault(str(artifact.path), artifact)
    found = [list(group.values()) for group in groups.values()]
    names = [_name(group) for group in found]
    return [
        line(name if names.count(name) == 1 else f"{name} ({group[0].reference})", group, statistic)
        for name, group in zip(names, found, strict=True)
    ]


def _condition(artifact: Artifact) -> str:
    """Return a text that is the same for the seeds of one condition."""
    manifest = artifact.manifest
    recipe = manifest.recorded("recipe")
    if not isinstance(recipe, Mapping):
        return str(artifact.path)
    parameters = {key: value for key, value in manifest.parameters.items() if key == "options"}
    parts = [manifest.recipe, _without_seeds(recipe), _without_seeds(parameters), sorted(manifest.inputs)]
    return json.dumps(canonical(parts), sort_keys=True)


def _without_seeds(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    return {key: _without_seeds(value) for key, value in values.items() if key != "seed"}


def _name(group: Sequence[Artifact]) -> str:
    manifest = group[0].manifest
    if len(group) == 1:
        return group[0].reference
    parts = (manifest.recipe, manifest.recorded("recipe", "method"), manifest.profile)
    return " ".join(filter(None, (*parts, changes_text(recorded_changes(manifest)))))
