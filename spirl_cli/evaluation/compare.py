"""The difference between two evaluations, with its interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spirl_cli.domains.registry import read_section
from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.episodes import PolicyEpisodes, read_episodes
from spirl_cli.evaluation.results import bounds_of, metric_named, metric_values, read_rows
from spirl_cli.evaluation.statistics import Estimate, Range, difference, estimate
from spirl_cli.payload import EPISODES_FILE, RESULTS_FILE
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.diff import differences


@dataclass(frozen=True)
class MetricDifference:
    """A metric of one policy in two evaluations.

    Attributes:
        metric, policy: as in rows of results.
        left_steps, right_steps: environment steps of training on either side.
        left, right: means and intervals.
        difference: right − left.
        paired: whether episodes of equal numbers begin alike, so that they are compared one by one.
        episodes: number of episodes of either side, or of pairs.
    """

    metric: str
    policy: str
    left_steps: int
    right_steps: int
    left: Estimate
    right: Estimate
    difference: Estimate
    paired: bool
    episodes: tuple[int, int]

    @property
    def path(self) -> str:
        """Name of the metric as in a manifest, such as `metrics.success/sampled`."""
        return f"metrics.{self.metric}/{self.policy}"

    def __str__(self) -> str:
        steps = (f"{count:,}" for count in dict.fromkeys((self.left_steps, self.right_steps)))
        how = "paired" if self.paired else "not paired"
        return (
            f"{self.metric}/{self.policy} at {' → '.join(steps)} steps: {self.left} → {self.right}, "
            f"difference {self.difference} ({how})"
        )


def compare(left: Artifact, right: Artifact) -> list[MetricDifference]:
    """Compare two evaluations: what both evaluated at the same step, and the most trained weights of either.

    Raises:
        ArtifactError: an evaluation is damaged.
    """
    ours, theirs = _Evaluated(left), _Evaluated(right)
    if ours.env != theirs.env:
        return []
    paired = left.manifest.seed == right.manifest.seed and not differences(_env(left), _env(right))
    return [
        _difference(one, other, metric, ours.bounds(metric), paired)
        for one, other in _pairs(ours, theirs)
        for metric in ours.metrics
        if metric in theirs.metrics
    ]


class _Evaluated:
    """An evaluation's episodes, and the metrics of its rows."""

    def __init__(self, artifact: Artifact) -> None:
        rows = read_rows(artifact.file(RESULTS_FILE))
        self.groups = read_episodes(artifact.file(EPISODES_FILE))
        self.metrics = tuple(dict.fromkeys(row.metric for row in rows))
        self.env = rows[0].env if rows else None
        self.method = artifact.manifest.recorded("method") or (rows[0].method if rows else None)
        self._artifact = artifact

    def bounds(self, metric: str) -> Range | None:
        """Return the range of a metric; None where it is not known."""
        try:
            return bounds_of(metric_named(self._artifact.section("env", read_section), metric))
        except ArtifactError:
            return None


def _pairs(ours: _Evaluated, theirs: _Evaluated) -> Iterator[tuple[PolicyEpisodes, PolicyEpisodes]]:
    """Yield the groups of episodes to compare; baselines are compared with those of the same name."""
    ended: dict[tuple[int, str], PolicyEpisodes] = {}
    for side, evaluated in enumerate((ours, theirs)):
        for group in evaluated.groups:
            last = ended.get((side, group.policy))
            if group.method == evaluated.method and (last is None or group.env_steps > last.env_steps):
                ended[side, group.policy] = group
    seen = set()
    for policy in dict.fromkeys(policy for _, policy in ended):
        if (0, policy) in ended and (1, policy) in ended:
            seen.add((id(ended[0, policy]), id(ended[1, policy])))
            yield ended[0, policy], ended[1, policy]
    for one in ours.groups:
        for other in theirs.groups:
            own = one.method == ours.method, other.method == theirs.method
            named = own == (True, True) or (own == (False, False) and one.method == other.method)
            same = (one.policy, one.env_steps) == (other.policy, other.env_steps)
            if named and same and (id(one), id(other)) not in seen:
                yield one, other


def _difference(
    one: PolicyEpisodes, other: PolicyEpisodes, metric: str, bounds: Range | None, paired: bool
) -> MetricDifference:
    left, right = (
        {result.episode: value for result, value in zip(group.episodes, metric_values(group, metric), strict=True)}
        for group in (one, other)
    )
    common = sorted(left.keys() & right.keys())
    means = [estimate([list(side.values())], bounds) for side in (left, right)]
    if paired and common:
        changes = np.array([right[number] - left[number] for number in common])
        widest = None if bounds is None else (bounds[0] - bounds[1], bounds[1] - bounds[0])
        found, counts = estimate([changes], widest, values="pairs of episodes"), (len(common), len(common))
        means = [estimate([[side[number] for number in common]], bounds) for side in (left, right)]
    else:
        paired, found, counts = False, difference(*means), (len(left), len(right))
    return MetricDifference(
        metric, one.policy, one.env_steps, other.env_steps, means[0], means[1], found, paired, counts
    )


def _env(artifact: Artifact) -> dict[str, object]:
    return {"env": artifact.manifest.parameters.get("env")}
