"""The part of a manifest that lists and plans ask thousands of artifacts for."""

from __future__ import annotations

from typing import NamedTuple

from spirl_cli.store.changes import recorded_changes
from spirl_cli.store.leaves import Leaf, leaves
from spirl_cli.store.manifest import Manifest
from spirl_cli.store.names import QUICK_PROFILE, Reference


class Head(NamedTuple):
    """What a checked manifest says, in short. The fields are those of `Manifest`, but for the last five.

    Attributes:
        method: what was given as `--method` when the artifact was made.
        changes: in what the recipe differs from the one of its name, text by dotted key.
        files: name and size of each file of the payload.
        inputs: fingerprint of each input.
        leaves: the parameters, see `spirl_cli.store.leaves`.
    """

    recipe: str
    stage: str
    stage_version: int
    version: int
    fingerprint: str
    profile: str | None
    seed: int
    started: str
    finished: str
    seconds: float
    metrics: dict[str, float]
    method: str | None
    changes: dict[str, str]
    files: list[tuple[str, int]]
    inputs: dict[str, str]
    leaves: list[Leaf]

    @property
    def reference(self) -> str:
        """`recipe/stage@vN`."""
        return str(Reference(self.recipe, self.stage, self.version))

    @property
    def quick(self) -> bool:
        """Whether this is a smoke test's artifact, never picked as the newest."""
        return self.profile == QUICK_PROFILE

    @property
    def bytes(self) -> int:
        """Size of the payload."""
        return sum(size for _, size in self.files)


def head_of(manifest: Manifest) -> Head:
    """Return the short form of a manifest."""
    method = manifest.recorded("recipe", "method")
    return Head(
        recipe=manifest.recipe,
        stage=manifest.stage,
        stage_version=manifest.stage_version,
        version=manifest.version,
        fingerprint=manifest.fingerprint,
        profile=manifest.profile,
        seed=manifest.seed,
        started=manifest.started,
        finished=manifest.finished,
        seconds=manifest.seconds,
        metrics=manifest.metrics,
        method=method if isinstance(method, str) else None,
        changes=recorded_changes(manifest),
        files=[(output.file, output.bytes) for output in manifest.outputs],
        inputs={name: record.fingerprint for name, record in manifest.inputs.items()},
        leaves=leaves(manifest.parameters),
    )
