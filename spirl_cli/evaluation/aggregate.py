"""Joins evaluations of several seeds into one row of results per condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.episodes import PolicyEpisodes, read_episodes
from spirl_cli.evaluation.results import ResultRow, metric_values, read_rows
from spirl_cli.evaluation.statistics import bootstrap_mean, interval_name
from spirl_cli.payload import EPISODES_FILE, RESULTS_FILE
from spirl_cli.store.artifact import Artifact

EpisodesByPolicy = Mapping[tuple[str, str, int], PolicyEpisodes]


def aggregate(artifacts: Sequence[Artifact], *, command: str, resamples: int = 10_000) -> list[ResultRow]:
    """Join the evaluations of several seeds of one pipeline into one row per condition.

    The mean is over seeds and their episodes; its interval resamples seeds, and the episodes of each
    (see `bootstrap_mean`).

    Args:
        artifacts: evaluations, one per seed, that ran the same conditions.
        command: command that made them, for the rows.

    Raises:
        ArtifactError: the conditions differ, or two evaluations are of the same agent.
    """
    _refuse_same_agent(artifacts)
    tables = [{row.identity: row for row in read_rows(artifact.file(RESULTS_FILE))} for artifact in artifacts]
    _refuse_different_conditions(artifacts, tables)
    evaluated = [_by_policy(artifact) for artifact in artifacts]
    commits = sorted({artifact.manifest.commit for artifact in artifacts if artifact.manifest.commit})
    joined = (_join(row, evaluated, resamples) for row in tables[0].values())
    return [replace(row, commit="+".join(commits) or None, command=command) for row in joined]


def _join(row: ResultRow, evaluated: Sequence[EpisodesByPolicy], resamples: int) -> ResultRow:
    """Replace the numbers of one seed by those of all seeds."""
    groups = [metric_values(table[row.method, row.policy, row.env_steps], row.metric) for table in evaluated]
    estimate = bootstrap_mean(groups, resamples=resamples)
    interval = interval_name(len(groups))
    return replace(row, **asdict(estimate), seeds=len(groups), episodes=sum(map(len, groups)), interval=interval)


def _by_policy(artifact: Artifact) -> EpisodesByPolicy:
    groups = read_episodes(artifact.file(EPISODES_FILE))
    return {(group.method, group.policy, group.env_steps): group for group in groups}


def _refuse_same_agent(artifacts: Sequence[Artifact]) -> None:
    if not artifacts:
        raise ArtifactError("there is no evaluation to aggregate", "type `spirl list` to see what there is")
    seen: dict[tuple[str, ...], Artifact] = {}
    for artifact in artifacts:
        agent = tuple(sorted(record.fingerprint for record in artifact.manifest.inputs.values()))
        if agent in seen:
            raise ArtifactError(
                f"{seen[agent].reference} and {artifact.reference} evaluate the same weights",
                "aggregate one evaluation per seed of the whole pipeline",
            )
        seen[agent] = artifact


def _refuse_different_conditions(
    artifacts: Sequence[Artifact], tables: Sequence[Mapping[tuple[object, ...], ResultRow]]
) -> None:
    for artifact, table in zip(artifacts, tables, strict=True):
        different = set(table) ^ set(tables[0])
        if different:
            example = ", ".join(map(str, min(different, key=str)))
            raise ArtifactError(
                f"{artifacts[0].reference} and {artifact.reference} evaluated different things: only one has {example}",
                "evaluate both with the same recipe",
            )
