"""Finished episodes of one policy, and their CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from spirl_cli.errors import ArtifactError
from spirl_cli.seals import written_sealed

FIXED_COLUMNS = ("method", "policy", "env_steps", "episode", "return", "length")


@dataclass(frozen=True)
class EpisodeResult:
    """One finished episode.

    Attributes:
        episode: number of the episode; with the evaluation's seed it decides all randomness.
        return_: undiscounted sum of rewards.
        length: environment steps.
        metrics: metrics of the environment at the end (subtasks, success, …).
    """

    episode: int
    return_: float
    length: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class PolicyEpisodes:
    """All episodes of one policy, with its method, its kind and the environment steps of its training."""

    method: str
    policy: str
    env_steps: int
    episodes: tuple[EpisodeResult, ...]


def write_episodes(path: Path, evaluated: Sequence[PolicyEpisodes]) -> None:
    """Write one CSV row per episode: `FIXED_COLUMNS`, then the metrics."""
    names = list(evaluated[0].episodes[0].metrics)
    with written_sealed(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIXED_COLUMNS, *names])
        for group in evaluated:
            for result in group.episodes:
                fixed = [
                    group.method,
                    group.policy,
                    group.env_steps,
                    result.episode,
                    repr(result.return_),
                    result.length,
                ]
                writer.writerow([*fixed, *(repr(float(result.metrics[name])) for name in names)])


def read_episodes(path: Path) -> list[PolicyEpisodes]:
    """Read back what `write_episodes` wrote.

    Raises:
        ArtifactError: the file lacks a column or holds something that is not a number.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        try:
            return list(_groups(rows))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{path}:{rows.line_num}: not a row of an episode ({error!r})") from error


def _groups(rows: csv.DictReader[str]) -> Iterator[PolicyEpisodes]:
    groups = groupby(rows, key=lambda row: (row["method"], row["policy"], int(row["env_steps"])))
    for (method, policy, env_steps), group in groups:
        yield PolicyEpisodes(method, policy, env_steps, tuple(_episode(row) for row in group))


def _episode(row: Mapping[str, str]) -> EpisodeResult:
    metrics = {name: float(value) for name, value in row.items() if name not in FIXED_COLUMNS}
    return EpisodeResult(int(row["episode"]), float(row["return"]), int(row["length"]), metrics)
