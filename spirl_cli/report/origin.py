"""Where numbers come from: in what the recipes differ, the machines, the versions, and the warnings of the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spirl_cli.report.lines import Line
from spirl_cli.report.table import cell, number, table
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.diff import ABSENT
from spirl_cli.store.leaves import values_by_path
from spirl_cli.store.lineage import Ancestor, ancestors

_LONGEST = 60  # characters of a value
_SEEDS = "seed"


def behind(evaluations: Sequence[Artifact], known: Sequence[Artifact]) -> list[Artifact]:
    """Return evaluations and all artifacts they were made from, each once, those first that others were made from."""
    found: dict[tuple[str, str], Artifact] = {}
    for evaluation in evaluations:
        for artifact in (*_below(ancestors(evaluation, known)), evaluation):
            found.setdefault((artifact.manifest.stage, artifact.fingerprint), artifact)
    return list(found.values())


def recipe_differences(lines: Sequence[Line]) -> str:
    """Write a table of the keys that not all conditions have alike, seeds left out; empty where there are none."""
    recipes = {line.name: _recipe(line) for line in lines if line.evaluations}
    keys = dict.fromkeys(key for recipe in recipes.values() for key in recipe)
    rows = []
    for key in keys:
        values = [_short(recipe.get(key, ABSENT)) for recipe in recipes.values()]
        if len(set(values)) > 1:
            rows.append([cell(key), *map(cell, values)])
    return table(("key", *recipes), rows) if rows else ""


def machines(artifacts: Sequence[Artifact]) -> str:
    """Write a table of the machines that made artifacts."""
    counts: dict[tuple[str, int], int] = {}
    for artifact in artifacts:
        machine = artifact.manifest.machine
        counts[machine.processor, machine.cores] = counts.get((machine.processor, machine.cores), 0) + 1
    rows = [[cell(processor), number(cores), number(count)] for (processor, cores), count in counts.items()]
    return table(("processor", "cores", "artifacts"), rows)


def versions(artifacts: Sequence[Artifact]) -> str:
    """Write a table of the versions of packages and of spirl's code; several where artifacts differ."""
    found: dict[str, dict[str, None]] = {}
    for artifact in artifacts:
        for name, version in artifact.manifest.packages.items():
            found.setdefault(name, {})[version] = None
        found.setdefault("commit", {})[artifact.manifest.commit or "-"] = None
    return table(("package", "version"), [[cell(name), cell(", ".join(own))] for name, own in found.items()])


def findings(artifacts: Sequence[Artifact]) -> str:
    """Write a table of what the runs warned of; empty where they did not."""
    rows = [
        [cell(one.reference), cell(str(text))] for one in artifacts for text in one.manifest.extra.get("findings", [])
    ]
    return table(("artifact", "warning"), rows).replace("<table>", '<table class="wrapped">') if rows else ""


def _recipe(line: Line) -> dict[str, object]:
    recipe = line.evaluations[0].manifest.extra.get("recipe")
    values = values_by_path(recipe) if isinstance(recipe, dict) else {}
    return {key: value for key, value in values.items() if key.rpartition(".")[2] != _SEEDS}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _below(inputs: Sequence[Ancestor]) -> Iterator[Artifact]:
    for ancestor in inputs:
        yield from _below(ancestor.inputs)
        if ancestor.artifact is not None:
            yield ancestor.artifact
