"""The store as it is at one moment, read once: a thousand cells ask it thousands of questions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Contents, Store


@dataclass(frozen=True)
class Inventory(Store):
    """A store whose artifacts are listed on first use and then remembered."""

    def look(self, recipe: str | None = None, stage: str | None = None, fingerprint: str | None = None) -> Contents:
        """Return what the store held on first use."""
        found = self._sorted[stage, fingerprint]
        artifacts = found if recipe is None else [one for one in found if one.head.recipe == recipe]
        folders = ((one, one.path.relative_to(self.root).parts) for one in self._all.broken)
        broken = [one for one, parts in folders if recipe in (None, parts[0]) and stage in (None, parts[1])]
        return Contents(artifacts, broken)

    @cached_property
    def _all(self) -> Contents:
        return Store(self.root).look()

    @cached_property
    def _sorted(self) -> defaultdict[tuple[str | None, str | None], list[Artifact]]:
        """Artifacts by what may be asked for: stage, fingerprint, both or neither."""
        found: defaultdict[tuple[str | None, str | None], list[Artifact]] = defaultdict(list)
        for artifact in self._all.artifacts:
            stage, fingerprint = artifact.head.stage, artifact.fingerprint
            for key in ((None, None), (stage, None), (None, fingerprint), (stage, fingerprint)):
                found[key].append(artifact)
        return found
