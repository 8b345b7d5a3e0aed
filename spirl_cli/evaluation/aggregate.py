"""Joins evaluations of several seeds into one row of results per condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from spirl_cli.domains.registry import read_section
from spirl_cli.errors import ArtifactError, SpirlError
from spirl_cli.evaluation.episodes import PolicyEpisodes, read_episodes
from spirl_cli.evaluation.results import ResultRow, bounds_of, metric_named, metric_values, read_rows, read_yardsticks
from spirl_cli.evaluation.statistics import Range, Statistic, estimate, mean_of_seeds
from spirl_cli.payload import EPISODES_FILE, RESULTS_FILE, YARDSTICKS_FILE
from spirl_cli.store.artifact import Artifact

EpisodesByPolicy = Mapping[tuple[str, str, int], PolicyEpisodes]


def aggregate(
    artifacts: Sequence[Artifact], *, command: str, resamples: int = 10_000, statistic: Statistic = mean_of_seeds
) -> list[ResultRow]:
    """Join the evaluations of several seeds of one pipeline into one row per condition.

    The mean is over seeds and their episodes; `spirl_cli.evaluation.statistics` says what its interval is.

    Args:
        artifacts: evaluations, one per seed, that ran the same conditions.
        command: command that made them, for the rows.
        resamples: number of bootstrap resamples.
        statistic: what is made of the means of the seeds.

    Raises:
        ArtifactError: the conditions differ, or two evaluations are of the same agent.
    """
    _refuse_same_agent(artifacts)
    tables = [{row.identity: row for row in read_rows(artifact.file(RESULTS_FILE))} for artifact in artifacts]
    _refuse_different_conditions(artifacts, tables)
    evaluated = [_by_policy(artifact, EPISODES_FILE) for artifact in artifacts]
    commits = sorted({artifact.manifest.commit for artifact in artifacts if artifact.manifest.commit})
    joined = (_join(row, evaluated, artifacts[0], resamples, statistic) for row in tables[0].values())
    return [replace(row, commit="+".join(commits) or None, command=command) for row in joined]


def aggregate_yardsticks(artifacts: Sequence[Artifact], *, resamples: int = 10_000) -> list[ResultRow]:
    """Join what the evaluations of several seeds compare with, as far as all of them have it.

    The demonstrations are those of the first seed.
    """
    tables = [{row.identity: row for row in read_yardsticks(artifact.file(RESULTS_FILE))} for artifact in artifacts]
    common = [row for identity, row in tables[0].items() if all(identity in table for table in tables)]
    held = all(any(output.file == YARDSTICKS_FILE for output in one.manifest.outputs) for one in artifacts)
    evaluated = [_by_policy(artifact, YARDSTICKS_FILE) for artifact in artifacts] if held else []
    return [
        _join(row, evaluated, artifacts[0], resamples, mean_of_seeds) if held and _place(row) in evaluated[0] else row
        for row in common
    ]


def _join(
    row: ResultRow,
    evaluated: Sequence[EpisodesByPolicy],
    artifact: Artifact,
    resamples: int,
    statistic: Statistic,
) -> ResultRow:
    """Replace the numbers of one seed by those of all seeds."""
    groups = [metric_values(table[_place(row)], row.metric) for table in evaluated]
    found = estimate(groups, _bounds(artifact, row.metric), resamples=resamples, statistic=statistic)
    return replace(row, **asdict(found), seeds=len(groups), episodes=sum(map(len, groups)))


def _place(row: ResultRow) -> tuple[str, str, int]:
    return row.method, row.policy, row.env_steps


def _bounds(artifact: Artifact, metric: str) -> Range | None:
    """Return the range of a metric in the environment of an evaluation; None where its domain is not installed."""
    try:
        return bounds_of(metric_named(artifact.section("env", read_section), metric))
    except SpirlError:
        return None


def _by_policy(artifact: Artifact, file: str) -> EpisodesByPolicy:
    groups = read_episodes(artifact.file(file))
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
