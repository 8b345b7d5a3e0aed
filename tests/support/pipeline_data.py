"""What a whole pipeline leaves behind, for tests that run one."""

from __future__ import annotations

from pathlib import Path

from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store

STAGES = ("clips", "skills", "prior", "agent", "evaluation")


def artifacts(folder: Path, recipe: str) -> dict[str, Artifact]:
    """Return the artifacts of a recipe by stage, of which there is one each."""
    found = Store(folder / "artifacts").artifacts(recipe=recipe)
    assert sorted(artifact.manifest.stage for artifact in found) == sorted(STAGES)
    return {artifact.manifest.stage: artifact for artifact in found}
