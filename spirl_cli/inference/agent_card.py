"""What a loaded agent is: its method, what it sees, what it does, and how well it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spirl_cli.domains.registry import read_section
from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.naming import method_name
from spirl_cli.evaluation.results import ResultRow, read_rows
from spirl_cli.evaluation.statistics import interval_text
from spirl_cli.inference.decoders import DecoderFile
from spirl_cli.inference.policies import PolicyKind
from spirl_cli.payload import AGENT, EVALUATION, RESULTS_FILE
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.settings import ObservationPart
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store


@dataclass(frozen=True)
class AgentCard:
    """Facts about an agent.

    Attributes:
        artifact: the agent.
        method: name of its method, as in rows of results.
        recipe: id of its recipe.
        policy: sampled | mean.
        weights: which weights: `final`, `best` or the steps of a snapshot.
        observation: parts of the environment's observation that it sees, in words.
        action: its actions, in words.
    """

    artifact: Artifact
    method: str
    recipe: str
    policy: PolicyKind
    weights: str
    observation: str
    action: str

    @cached_property
    def score(self) -> str:
        """The newest evaluation of this policy in the store; without one, the mean of the training episodes."""
        for other in reversed(Store(self.artifact.path.parents[2]).artifacts(stage=EVALUATION)):
            record = other.manifest.inputs.get(AGENT)
            if record is None or record.fingerprint != self.artifact.fingerprint:
                continue
            rows = self._rows(other)
            if rows:
                best = max(rows, key=lambda row: row.env_steps)
                shown = [f"{row.metric} {row.mean:.3g} {interval_text(row)}" for row in rows if _same(row, best)]
                return f"{', '.join(shown)} at {best.env_steps:,} steps ({other.reference})"
        trained = self.artifact.manifest.metrics.get("training/return")
        return "not evaluated" if trained is None else f"return {trained:.3g} in training, not evaluated"

    def _rows(self, evaluation: Artifact) -> list[ResultRow]:
        if self.weights != "final":
            return []
        try:
            rows = read_rows(evaluation.file(RESULTS_FILE))
        except ArtifactError:
            return []
        return [row for row in rows if (row.method, row.policy) == (self.method, self.policy)]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.artifact.reference}: {self.method}, recipe {self.recipe}, {self.policy} policy, "
                f"{self.weights} weights",
                f"  observation: {self.observation}",
                f"  action: {self.action}",
                f"  score: {self.score}",
            ]
        )


def _same(row: ResultRow, other: ResultRow) -> bool:
    return row.env_steps == other.env_steps


def make_card(
    artifact: Artifact,
    skills: DecoderFile,
    policy: PolicyKind,
    snapshot: int | str | None,
    parts: Sequence[ObservationPart],
    sizes: tuple[int, int],
) -> AgentCard:
    """Return the card of an agent.

    Args:
        artifact: the agent.
        skills: its decoder.
        policy: sampled | mean.
        snapshot: which weights; None for the final ones.
        parts: what it sees of an observation.
        sizes: counts of its numbers and of its pixels.

    Raises:
        ArtifactError: its parameters cannot be read.
    """
    header = skills.header
    section = artifact.section("train_rl", TrainRLSection.model_validate)
    env = artifact.section("env", read_section)
    numbers, pixels = sizes
    seen = f"{numbers} numbers" + (f" and {pixels} pixels" if pixels else "")
    skill = f"a skill lasts {header.horizon} steps" if header.kind != "primitive" else "no skills"
    return AgentCard(
        artifact=artifact,
        method=method_name(header.kind, section, env),
        recipe=artifact.manifest.recipe,
        policy=policy,
        weights="final" if snapshot is None else str(snapshot),
        observation=f"{', '.join(map(_part, parts))}: {seen}",
        action=f"{header.action_dim} numbers in {_bounds(header.action_low, header.action_high)}; {skill}",
    )


def _part(part: ObservationPart) -> str:
    name = part.key or "observation"
    if part.image is not None:
        return f"{name} (image)"
    return name if part.indices is None else f"{name}[{', '.join(map(str, part.indices))}]"


def _bounds(low: Sequence[float], high: Sequence[float]) -> str:
    if len({*low}) == len({*high}) == 1:
        return f"[{low[0]:g}, {high[0]:g}]"
    return f"[{np.min(low):g}, {np.max(high):g}], each with bounds of its own"
