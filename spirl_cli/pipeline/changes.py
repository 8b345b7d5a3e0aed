"""In what a recipe differs from the one that its name stands for: what overrides have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spirl_cli.pipeline.graph import STAGES
from spirl_cli.store.changes import is_seed
from spirl_cli.store.diff import differences

if TYPE_CHECKING:
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.stages.context import StageSpec


def changes(recipe: Recipe, spec: StageSpec) -> dict[str, Any]:
    """Return the values that were changed for a stage or for those before it, by dotted key; seeds are left out."""
    base, earlier = recipe.named
    found = dict(earlier)
    if base is not recipe:
        left, right = (one.model_dump(mode="json") for one in (base, recipe))
        found |= {one.path: one.right for one in differences(left, right)}
    sections = _sections(spec)
    return {key: value for key, value in found.items() if key.split(".")[0] in sections and not is_seed(key)}


def _sections(spec: StageSpec) -> set[str]:
    """Return the sections of a recipe that decide about a stage: its own, and those of the stages before it."""
    names = [stage.name for stage in STAGES]
    return {"env"} | {stage.section for stage in STAGES[: names.index(spec.name) + 1]}
