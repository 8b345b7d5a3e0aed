"""Stage `evaluation`: an agent, or a prior alone → numbers, learning curve, videos."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from spirl_cli.demos.saving.target import format_of
from spirl_cli.domains.domain import Replayed
from spirl_cli.domains.registry import domain_of
from spirl_cli.envs.make import check_compatible
from spirl_cli.evaluation.below_prior import below_prior
from spirl_cli.evaluation.dataset import check_new_dataset, save_dataset
from spirl_cli.evaluation.episodes import PolicyEpisodes, read_episodes, write_episodes
from spirl_cli.evaluation.figures import draw_learning_curve
from spirl_cli.evaluation.naming import training_data
from spirl_cli.evaluation.replay import noted_episodes
from spirl_cli.evaluation.results import Provenance, ResultRow, result_rows, write_results
from spirl_cli.evaluation.rollouts import RolloutSettings, interrupted, rollout
from spirl_cli.evaluation.statistics import interval_text, metric_rates
from spirl_cli.evaluation.video import VideoRequest, record_videos
from spirl_cli.files import make_folder
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.monitor.reporter import warned
from spirl_cli.payload import (
    AGENT,
    CURVE_FILE,
    EPISODES_FILE,
    FINISHED_FOLDER,
    RESULTS_FILE,
    VIDEOS_FOLDER,
    YARDSTICKS_FILE,
)
from spirl_cli.stages.compatibility import check_images
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.stages.policy_set import PolicySet, Target, agent_policies, decoder_and_policy, prior_policies
from spirl_cli.stages.yardsticks import MADE_FROM, Yardsticks, yardsticks_of
from spirl_cli.store.provenance import checkout_commit, command_line

Stop = Callable[[], bool]


def execute(context: StageContext) -> StageResult:
    """Evaluate all policies; finished policies are kept, so that an interrupted evaluation can go on.

    Raises:
        ArtifactError: the skills do not fit the environment, or there is no such snapshot.
        Interrupted: SIGINT or SIGTERM arrived.
    """
    policies = agent_policies(context) if AGENT in context.inputs else prior_policies(context)
    _check_environment(context, policies)
    target = context.options.evaluate.save_dataset
    if target is not None:
        check_new_dataset(target, format_of(target, context.options.evaluate.save_format))
    with Interrupts() as interrupts:

        def stop() -> bool:
            return interrupts.requested

        def play(target: Target, episodes: int) -> PolicyEpisodes:
            return _evaluate(context, policies, target, stop, episodes)

        evaluated = [play(target, context.recipe.evaluate.episodes) for target in policies.targets]
        provenance = _provenance(policies)
        yardsticks = yardsticks_of(context, policies, evaluated, play, provenance)
        rows = _write(context, policies, evaluated, yardsticks, provenance)
        drawn = _draw_figures(context, policies, stop)
        filmed = _film(context, policies, stop)
        if target is not None:
            _save_dataset(context, policies, target, stop)
    keep = [EPISODES_FILE, RESULTS_FILE, CURVE_FILE, *drawn]
    keep += [VIDEOS_FOLDER] if filmed else []
    keep += [YARDSTICKS_FILE] if yardsticks.played else []
    extra = {
        "evaluated": policies.artifact.reference,
        "method": policies.method,
        "data": rows[0].data,
        MADE_FROM: yardsticks.made_from,
    }
    signs = [str(sign) for sign in policies.artifact.manifest.recorded("findings") or ()]
    findings = below_prior(rows, yardsticks.rows, policies.method, signs, policies.artifact.reference)
    return StageResult(
        _headline(rows, policies.method), tuple(keep), extra=extra, findings=warned(context.reporter, findings)
    )


def _check_environment(context: StageContext, policies: PolicySet) -> None:
    header = policies.decoder.header
    low, high = np.asarray(header.action_low), np.asarray(header.action_high)
    check_compatible(context.recipe.env, header.state_dim, header.action_dim, low, high)
    weights = [target.weights for target in policies.targets if target.weights is not None]
    check_images(context.recipe.env, policies.decoder.path, *weights)


def _settings(context: StageContext, episodes: int | None = None) -> RolloutSettings:
    section = context.recipe.evaluate
    return RolloutSettings(episodes or section.episodes, section.seed or 0, section.environments)


def _evaluate(context: StageContext, policies: PolicySet, target: Target, stop: Stop, episodes: int) -> PolicyEpisodes:
    """Roll one policy out, unless an earlier session has done it."""
    path = context.folder / FINISHED_FOLDER / f"{target.label}.csv"
    if context.resume and path.exists():
        context.reporter.message(f"evaluate: {target.label} was done before the interruption")
        return read_episodes(path)[0]
    results = rollout(
        context.recipe.env,
        *decoder_and_policy(policies, target),
        _settings(context, episodes),
        context.reporter,
        description=f"evaluate {target.label}",
        stop=stop,
    )
    evaluated = PolicyEpisodes(target.method, target.kind, target.env_steps, tuple(results))
    make_folder(path.parent)
    write_episodes(path, [evaluated])
    return evaluated


def _provenance(policies: PolicySet) -> Provenance:
    command = shlex.join(command_line())
    return Provenance(data=training_data(policies.artifact), commit=checkout_commit(), command=command)


def _write(
    context: StageContext,
    policies: PolicySet,
    evaluated: Sequence[PolicyEpisodes],
    yardsticks: Yardsticks,
    provenance: Provenance,
) -> list[ResultRow]:
    """Write the numbers and the figure, and show the numbers."""
    section, folder, env = context.recipe.evaluate, context.folder, context.recipe.env
    seed = section.seed or 0
    rows = result_rows(evaluated, env, provenance, resamples=section.bootstrap, seed=seed)
    write_episodes(folder / EPISODES_FILE, evaluated)
    if yardsticks.played:
        write_episodes(folder / YARDSTICKS_FILE, yardsticks.played)
    write_results(folder / RESULTS_FILE, rows, evaluated, yardsticks.rows, resamples=section.bootstrap, seed=seed)
    curve = [row for row in rows if row.metric == rows[0].metric and row.method == policies.method]
    draw_learning_curve(folder / CURVE_FILE, curve, env, yardsticks.rows)
    shown = {row.identity: row for row in (*rows, *yardsticks.rows)}
    _show(context, list(shown.values()), evaluated)
    _say_if_nothing_succeeds(context, evaluated)
    return rows


def _say_if_nothing_succeeds(context: StageContext, evaluated: Sequence[PolicyEpisodes]) -> None:
    metrics = [result.metrics for group in evaluated for result in group.episodes]
    said = [one["success"] for one in metrics if "success" in one]
    if said and not any(said):
        context.reporter.warn(f"success was true in none of the {len(said)} episodes, whatever the policy")


def _show(context: StageContext, rows: Sequence[ResultRow], evaluated: Sequence[PolicyEpisodes]) -> None:
    lines = [
        {
            "method": row.method,
            "policy": row.policy,
            "env steps": row.env_steps,
            "episodes": row.episodes,
            "metric": row.metric,
            "mean": row.mean,
            "95 % interval": interval_text(row),
            **({"success at": row.success} if row.success else {}),
        }
        for row in rows
    ]
    context.reporter.table(rows[0].env, lines)
    names = list(evaluated[0].episodes[0].metrics)
    if len(names) > 1:
        context.reporter.table("mean per episode", [_rates(group) for group in evaluated])


def _rates(group: PolicyEpisodes) -> dict[str, object]:
    rates = metric_rates([result.metrics for result in group.episodes], resamples=1)
    shown = {name: estimate.mean for name, estimate in rates.items() if name != "subtasks"}
    return {"method": group.method, "policy": group.policy, "env steps": group.env_steps, **shown}


def _draw_figures(context: StageContext, policies: PolicySet, stop: Stop) -> list[str]:
    """Draw the domain's own figures of the first policy and the baselines; return their names."""
    env = context.recipe.env

    def replayed(episodes: int, note: Callable[[np.ndarray], np.ndarray]) -> Iterator[Replayed]:
        for target in (policies.targets[0], *(target for target in policies.targets if target.weights is None)):
            settings = _settings(context)
            noted = noted_episodes(env, *decoder_and_policy(policies, target), settings, episodes, note, stop)
            yield Replayed(target.label, noted)

    names = []
    for figure in domain_of(env).figures(env, replayed):
        figure.draw(context.folder / figure.name)
        names.append(figure.name)
    return names


def _film(context: StageContext, policies: PolicySet, stop: Stop) -> bool:
    """Record videos of the first policy's first episodes; return whether there is any."""
    section, target = context.recipe.evaluate, policies.targets[0]
    count = min(section.video_episodes, section.episodes)
    if count == 0:
        return False
    request = VideoRequest(
        env=context.recipe.env.model_dump(mode="json"),
        decoder=str(policies.decoder.path),
        policy=str(target.weights),  # the first target is not a baseline
        kind=target.kind,
        seed=section.seed or 0,
        episodes=count,
        squashed=policies.decoder.squashed,
        folder=str(context.folder / VIDEOS_FOLDER),
        name=target.label,
        recipe_folder=None if context.recipe.env.folder is None else str(context.recipe.env.folder),
    )
    files = record_videos(request, context.reporter, stop=stop)
    if stop():
        raise interrupted()
    return bool(files)


def _save_dataset(context: StageContext, policies: PolicySet, target: str, stop: Stop) -> None:
    decoder, policy = decoder_and_policy(policies, policies.targets[0])
    settings, format = _settings(context), format_of(target, context.options.evaluate.save_format)
    save_dataset(target, format, context.recipe.env, decoder, policy, settings, context.reporter, stop=stop)
    context.reporter.message(f"wrote the dataset {target} in the format {format}")


def _headline(rows: Sequence[ResultRow], method: str) -> dict[str, float]:
    """Return the numbers of the most trained policies, such as `subtasks/mean`."""
    own = [row for row in rows if row.method == method]
    last = max(row.env_steps for row in own)
    return {f"{row.metric}/{row.policy}": row.mean for row in own if row.env_steps == last}
