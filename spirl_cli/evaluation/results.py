"""Rows of results: one per condition, policy and nominal step.

The fields of `ResultRow` are a contract: scripts and documents read `artifacts/reference/results.json`, a list of
such rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from spirl_cli.domains.domain import RETURN, Metric
from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.episodes import PolicyEpisodes
from spirl_cli.evaluation.statistics import Estimate, bootstrap_mean, interval_name, metric_rates
from spirl_cli.files import write_whole


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
        interval: kind of the interval, such as `95 % bootstrap over seeds and episodes`; None in rows older than this
            field, which have intervals of that kind.
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

    @property
    def identity(self) -> tuple[object, ...]:
        """The values that are equal in two rows exactly if they describe the same thing."""
        task = (self.task, self.condition, self.order, self.noise, self.reward, self.layout)
        steps = (self.metric, self.policy, self.env_steps)
        return (self.env, self.method, *steps, *task, self.data, self.study, self.cell)


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
            estimate = bootstrap_mean([metric_values(group, metric.name)], resamples=resamples, seed=seed)
            rows.append(_row(group, metric.name, estimate, env, provenance))
    return rows


def metric_values(evaluated: PolicyEpisodes, metric: str) -> list[float]:
    """Return the metric's value of every episode."""
    if metric == "return":
        return [result.return_ for result in evaluated.episodes]
    return [float(result.metrics[metric]) for result in evaluated.episodes]


def _row(group: PolicyEpisodes, metric: str, estimate: Estimate, env: EnvSection, provenance: Provenance) -> ResultRow:
    setting = domain_of(env).setting(env)
    return ResultRow(
        env=setting.env,
        method=group.method,
        metric=metric,
        mean=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        seeds=1,
        episodes=len(group.episodes),
        policy=group.policy,
        env_steps=group.env_steps,
        order=setting.order,
        noise=setting.noise,
        reward=setting.reward,
        layout=setting.layout,
        interval=interval_name(seeds=1),
        **asdict(provenance),
    )


def write_results(
    path: Path, rows: Sequence[ResultRow], evaluated: Sequence[PolicyEpisodes], *, resamples: int, seed: int
) -> None:
    """Write `results.json` of one evaluation: its rows, and mean and interval of every metric."""
    rates = [
        {
            "method": group.method,
            "policy": group.policy,
            "env_steps": group.env_steps,
            "rates": _rates(group, resamples, seed),
        }
        for group in evaluated
    ]
    content = {"rows": [asdict(row) for row in rows], "metrics": rates}
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _rates(group: PolicyEpisodes, resamples: int, seed: int) -> dict[str, dict[str, float]]:
    metrics = [result.metrics for result in group.episodes]
    rates = metric_rates(metrics, resamples=resamples, seed=seed)
    return {name: asdict(estimate) for name, estimate in rates.items()}


def read_rows(path: Path) -> list[ResultRow]:
    """Read the rows of an evaluation's `results.json` or of a list of published rows.

    A field that an older row lacks gets its default in `ResultRow`.

    Raises:
        ArtifactError: the file holds no such JSON, or a row lacks a field or has an unknown one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = content["rows"] if isinstance(content, Mapping) else content
        return [ResultRow(**row) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{path} does not hold rows of results: {error}") from error
