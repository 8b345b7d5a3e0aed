"""In what a recipe differs from the one that its name stands for: what overrides have changed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spirl_cli.pipeline.graph import STAGES
from spirl_cli.store.diff import differences

if TYPE_CHECKING:
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.stages.context import StageSpec
    from spirl_cli.store.manifest import Manifest

CHANGES = "changes"  # in the manifest of an artifact


def changes(recipe: Recipe, spec: StageSpec) -> dict[str, Any]:
    """Return the values that were changed for a stage or for those before it, by dotted key; seeds are left out."""
    base, earlier = recipe.named
    found = dict(earlier)
    if base is not recipe:
        left, right = (one.model_dump(mode="json") for one in (base, recipe))
        found |= {one.path: one.right for one in differences(left, right)}
    sections = _sections(spec)
    return {key: value for key, value in found.items() if key.split(".")[0] in sections and not _is_seed(key)}


def recorded_changes(manifest: Manifest) -> dict[str, str]:
    """Return what was changed for an artifact, text by dotted key; for older ones, what was typed after `--set`."""
    recorded = manifest.recorded(CHANGES)
    if isinstance(recorded, Mapping):
        return {str(key): _text(value) for key, value in recorded.items()}
    typed = [word for flag, word in zip(manifest.command, manifest.command[1:], strict=False) if flag == "--set"]
    pairs = (word.partition("=") for word in typed if "=" in word)
    return {key: value for key, _, value in pairs if not _is_seed(key)}


def changes_text(found: Mapping[str, str]) -> str:
    """Write changes as they would be typed after `--set`."""
    return " ".join(shlex.quote(f"{key}={value}") for key, value in found.items())


def _text(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_seed(key: str) -> bool:
    return key.split(".")[-1] == "seed"


def _sections(spec: StageSpec) -> set[str]:
    """Return the sections of a recipe that decide about a stage: its own, and those of the stages before it."""
    names = [stage.name for stage in STAGES]
    return {"env"} | {stage.section for stage in STAGES[: names.index(spec.name) + 1]}
