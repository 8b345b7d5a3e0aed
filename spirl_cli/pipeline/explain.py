"""The reasons why a stage has to run, in the words of the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from spirl_cli.pipeline.content import without_path
from spirl_cli.store.diff import differences
from spirl_cli.store.leaves import Leaf, differing, leaves

if TYPE_CHECKING:
    from spirl_cli.stages.context import StageSpec
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.head import Head
    from spirl_cli.store.store import Store

_MOST_DIFFERENCES = 6
_DATASET = "extract.dataset"


def explain(
    spec: StageSpec, parameters: Mapping[str, Any], inputs: Mapping[str, str | None], store: Store, recipe: str
) -> tuple[str, ...]:
    """Return the differences between the wanted artifact and the closest one of this recipe.

    Args:
        spec: the stage.
        parameters: the wanted parameters.
        inputs: wanted fingerprint of each input; None if it is not known yet.
        store: store with the artifacts to compare with.
        recipe: id of the recipe.
    """
    # an evaluation of an agent is not compared with one of a prior
    candidates = [
        artifact
        for artifact in store.artifacts(recipe=recipe, stage=spec.name)
        if artifact.head.inputs.keys() == inputs.keys()
    ]
    if not candidates:
        return ("no artifact yet",)
    wanted = set(leaves(parameters))
    # the last of equally close ones is the newest
    closest = min(reversed(candidates), key=lambda artifact: _distance(spec, wanted, inputs, artifact.head))
    reasons = _reasons(spec, parameters, inputs, closest)
    shown = reasons[:_MOST_DIFFERENCES]
    if len(reasons) > len(shown):
        shown.append(f"and {len(reasons) - len(shown)} more")
    shown[-1] += f" (compared with {closest.reference})"
    return tuple(shown)


def _distance(spec: StageSpec, wanted: Set[Leaf], inputs: Mapping[str, str | None], head: Head) -> int:
    """Return the number of `_reasons`, without writing them down."""
    differ = differing(wanted, head.leaves)
    if spec.reads_dataset and not any(path == _DATASET for path, _ in wanted):
        differ.discard(_DATASET)
    changed = sum(fingerprint != head.inputs[name] for name, fingerprint in inputs.items())
    return max(1, len(differ) + (head.stage_version != spec.version) + changed)


def _reasons(
    spec: StageSpec, parameters: Mapping[str, Any], inputs: Mapping[str, str | None], artifact: Artifact
) -> list[str]:
    manifest = artifact.manifest
    theirs = manifest.parameters
    if spec.reads_dataset and parameters["extract"]["dataset"] is None:  # a path that earlier clips hold tells nothing
        theirs = without_path(theirs)
    reasons = [str(difference) for difference in differences(theirs, parameters)]
    if manifest.stage_version != spec.version:
        reasons.append(f"stage version: {manifest.stage_version} → {spec.version}")
    for name, wanted in inputs.items():
        if wanted is None:
            reasons.append(
                "the dataset is not on this machine yet" if name == "dataset" else f"input {name} is made anew"
            )
        elif manifest.inputs[name].fingerprint != wanted:
            reasons.append(f"input {name} changed")
    return reasons or ["its fingerprint differs"]
