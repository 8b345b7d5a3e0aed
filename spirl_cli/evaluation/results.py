"""Rows of results: one per condition, policy and nominal step.

The fields of `ResultRow` are a contract: scripts and documents read `artifacts/reference/results.json`, a list of
such rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spirl_cli.domains.domain import RETURN, Metric
from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.episodes import PolicyEpisodes
from spirl_cli.evaluation.statistics import Estimate, Range, estimate, metric_rates
from spirl_cli.files import write_whole

_YARDSTICKS = "yardsticks"  # in `results.json`


@dataclass(frozen=True)
class ResultRow:
    """One published number; a field that does not apply to an environment is None.

    Attributes:
        env: kitchen, maze, blocks, or the id of another environment.
        method: prior | spirl | spirl-open-loop | flat-prior | no-prior | bc-sac | sac; random for random actions;
            prior-FAMILY for a likelihood; stable-baselines3 for that library's SAC.
        metric: subtasks | success | return; for blocks, stacked and height at the end of the episode (see
            `spirl_cli.domains.blocks.towers`), and max_stacked during the episode; log_likelihood of held-out
            demonstrations, which count as episodes.
        mean: the mean; `low` and `high` are the ends of its interval.
        seeds: number of independently trained pipelines, skills and prior included.
        episodes: number of episodes of all seeds together.
        policy: sampled | mean.
        env_steps: nominal environment steps, warm-up included; 0 for a prior.
        task: None for the task of the recipe; the name of another one, such as ten-held-out.
        condition: input of the prior besides the state: history | goal | event.
        study: name of a sweep; `cell` holds the settings in which this row differs from others of the sweep.
        interval: kind of the interval, see `spirl_cli.evaluation.statistics`; None in rows older than this field, which
            have bootstrap intervals over seeds and episodes.
        success: ever | last: whether an episode counts as a success if it succeeded at any step or at the last one;
            None for other metrics, and in rows older than this field, which count any step.
    """

    env: str
    method: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    episodes: int
    policy: str
    env_steps: int
    order: str | None
    noise: float | None
    reward: str | None
    layout: str | None
    data: str | None
    commit: str | None
    command: str
    task: str | None = None
    condition: str | None = None
    study: str | None = None
    cell: str | None = None
    interval: str | None = None
    success: str | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """The values that are equal in two rows exactly if they describe the same thing."""
        task = (self.task, self.condition, self.order, self.noise, self.reward, self.layout)
        steps = (self.metric, self.policy, self.env_steps)
        return (self.env, self.method, *steps, *task, self.data, self.study, self.cell, self.success or "ever")


@dataclass(frozen=True)
class Provenance:
    """The origin of a row's number."""

    data: str | None
    commit: str | None
    command: str


def metric_named(env: EnvSection, name: str) -> Metric:
    """Return the domain's description of a metric; for an unknown metric, only its name."""
    known = {metric.name: metric for metric in (RETURN, *domain_of(env).metrics(env))}
    return known.get(name, Metric(name, name))


def result_rows(
    evaluated: Sequence[PolicyEpisodes], env: EnvSection, provenance: Provenance, *, resamples: int, seed: int
) -> list[ResultRow]:
    """Return the rows of one evaluation (one seed), in the order of `evaluated`."""
    rows = []
    for group in evaluated:
        for metric in domain_of(env).metrics(env):
            values = metric_values(group, metric.name)
            found = estimate([values], bounds_of(metric), resamples=resamples, seed=seed)
            place = (group.method, group.policy, group.env_steps)
            rows.append(_row(place, metric.name, found, len(values), env, provenance))
    return rows


def bounds_of(metric: Metric) -> Range | None:
    """Return the smallest and the largest possible value of a metric; None if they are not known."""
    return None if metric.highest is None else (0.0, metric.highest)


def metric_values(evaluated: PolicyEpisodes, metric: str) -> list[float]:
    """Return the metric's value of every episode."""
    if metric == "return":
        return [result.return_ for result in evaluated.episodes]
    return [float(result.metrics[metric]) for result in evaluated.episodes]


def yardstick_row(
    method: str, policy: str, metric: str, found: Estimate, episodes: int, env: EnvSection, provenance: Provenance
) -> ResultRow:
    """Return the row of something to compare with that no training has made: it is at 0 steps."""
    return _row((method, policy, 0), metric, found, episodes, env, provenance)


def _row(
    place: tuple[str, str, int], metric: str, found: Estimate, episodes: int, env: EnvSection, provenance: Provenance
) -> ResultRow:
    setting = domain_of(env).setting(env)
    method, policy, env_steps = place
    return ResultRow(
        env=setting.env,
        method=method,
        metric=metric,
        **asdict(found),
        seeds=1,
        episodes=episodes,
        policy=policy,
        env_steps=env_steps,
        order=setting.order,
        noise=setting.noise,
        reward=setting.reward,
        layout=setting.layout,
        success=setting.success if metric == "success" else None,
        **asdict(provenance),
    )


def write_results(
    path: Path,
    rows: Sequence[ResultRow],
    evaluated: Sequence[PolicyEpisodes],
    yardsticks: Sequence[ResultRow] = (),
    *,
    resamples: int,
    seed: int,
) -> None:
    """Write `results.json` of one evaluation: its rows, mean and interval of every metric, what to compare with."""
    rates = [
        {
            "method": group.method,
            "policy": group.policy,
            "env_steps": group.env_steps,
            "rates": _rates(group, resamples, seed),
        }
        for group in evaluated
    ]
    content = {"rows": _plain(rows), "metrics": rates, _YARDSTICKS: _plain(yardsticks)}
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _plain(rows: Sequence[ResultRow]) -> list[dict[str, object]]:
    return [asdict(row) for row in rows]


def _rates(group: PolicyEpisodes, resamples: int, seed: int) -> dict[str, dict[str, float | str]]:
    metrics = [result.metrics for result in group.episodes]
    rates = metric_rates(metrics, resamples=resamples, seed=seed)
    return {name: asdict(rate) for name, rate in rates.items()}


def read_rows(path: Path) -> list[ResultRow]:
    """Read the rows of an evaluation's `results.json` or of a list of published rows.

    A field that an older row lacks gets its default in `ResultRow`.

    Raises:
        ArtifactError: the file holds no such JSON, or a row lacks a field or has an unknown one.
    """
    content = _content(path)
    return _rows(path, content["rows"] if isinstance(content, Mapping) and "rows" in content else content)


def read_yardsticks(path: Path) -> list[ResultRow]:
    """Read what the evaluation of a `results.json` compares with; older ones have nothing.

    Raises:
        ArtifactError: as for `read_rows`.
    """
    content = _content(path)
    return _rows(path, content.get(_YARDSTICKS, ()) if isinstance(content, Mapping) else ())


def _content(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} does not hold rows of results: {error}") from error


def _rows(path: Path, rows: Any) -> list[ResultRow]:
    try:
        return [ResultRow(**row) for row in rows]
    except TypeError as error:
        raise ArtifactError(f"{path} does not hold rows of results: {error}") from error
