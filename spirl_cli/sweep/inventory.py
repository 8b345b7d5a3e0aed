"""The store as it is at one moment, read once: a thousand cells ask it thousands of questions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store


@dataclass(frozen=True)
class Inventory(Store):
    """A store whose artifacts are listed on first use and then remembered."""

    def artifacts(self, recipe: str | None = None, stage: str | None = None) -> list[Artifact]:
        """Return the complete artifacts, in the order in which they were finished."""
        found = self._all if stage is None else self._by_stage[stage]
        return [one for one in found if recipe is None or one.manifest.recipe == recipe]

    def find(self, stage: str, fingerprint: str, recipe: str | None = None) -> Artifact | None:
        """Return the newest artifact with a fingerprint: of the recipe if it has one, else of any."""
        found = self._by_fingerprint[stage, fingerprint]
        own = [one for one in found if one.manifest.recipe == recipe]
        candidates = own or found
        return candidates[-1] if candidates else None

    @cached_property
    def _all(self) -> list[Artifact]:
        return Store(self.root).artifacts()

    @cached_property
    def _by_stage(self) -> defaultdict[str, list[Artifact]]:
        stages: defaultdict[str, list[Artifact]] = defaultdict(list)
        for artifact in self._all:
            stages[artifact.manifest.stage].append(artifact)
        return stages

    @cached_property
    def _by_fingerprint(self) -> defaultdict[tuple[str, str], list[Artifact]]:
        found: defaultdict[tuple[str, str], list[Artifact]] = defaultdict(list)
        for artifact in self._all:
            found[artifact.manifest.stage, artifact.fingerprint].append(artifact)
        return found
