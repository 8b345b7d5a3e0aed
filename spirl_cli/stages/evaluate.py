"""Stage `evaluation`: an agent, or a prior alone → numbers, learning curve, videos."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from spirl_cli.domains.domain import Replayed
from spirl_cli.domains.registry import domain_of
from spirl_cli.envs.make import check_compatible
from spirl_cli.evaluation.dataset import check_new_dataset, save_dataset
from spirl_cli.evaluation.episodes import Evaluated, read_episodes, write_episodes
from spirl_cli.evaluation.figures import draw_learning_curve
from spirl_cli.evaluation.naming import training_data
from spirl_cli.evaluation.replay import noted_episodes
from spirl_cli.evaluation.results import Provenance, ResultRow, result_rows, write_results
from spirl_cli.evaluation.rollouts import RolloutSettings, interrupted, rollout
from spirl_cli.evaluation.statistics import metric_rates
from spirl_cli.evaluation.video import VideoRequest, record_videos
from spirl_cli.files import make_folder
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.payload import AGENT, CURVE_FILE, EPISODES_FILE, FINISHED_FOLDER, RESULTS_FILE, VIDEOS_FOLDER
from spirl_cli.stages.compatibility import check_images
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.stages.evaluated import Subject, Target, agent_subject, behavior, prior_subject
from spirl_cli.store.provenance import checkout_commit, command_line

Stop = Callable[[], bool]


def execute(context: StageContext) -> StageResult:
    """Evaluate; every policy that is done is kept, so that an interrupted evaluation goes on.

    Raises:
        ArtifactError: the skills do not fit the environment, or there is no such snapshot.
        Interrupted: SIGINT or SIGTERM arrived.
    """
    subject = agent_subject(context) if AGENT in context.inputs else prior_subject(context)
    _check_environment(context, subject)
    dataset_id = context.options.evaluate.save_dataset
    if dataset_id is not None:
        check_new_dataset(dataset_id)
    with Interrupts() as interrupts:

        def stop() -> bool:
            return interrupts.requested

        evaluated = [_evaluate(context, subject, target, stop) for target in subject.targets]
        rows = _write(context, subject, evaluated)
        drawn = _draw_figures(context, subject, stop)
        filmed = _film(context, subject, stop)
        if dataset_id is not None:
            _save_dataset(context, subject, dataset_id, stop)
    keep = [EPISODES_FILE, RESULTS_FILE, CURVE_FILE, *drawn]
    keep += [VIDEOS_FOLDER] if filmed else []
    extra = {"evaluated": subject.artifact.reference, "method": subject.method, "data": rows[0].data}
    return StageResult(metrics=_headline(rows, subject.method), keep=tuple(keep), extra=extra)


def _check_environment(context: StageContext, subject: Subject) -> None:
    header = subject.decoder.header
    low, high = np.asarray(header.action_low), np.asarray(header.action_high)
    check_compatible(context.recipe.env, header.state_dim, header.action_dim, low, high)
    weights = [target.weights for target in subject.targets if target.weights is not None]
    check_images(context.recipe.env, subject.decoder.path, *weights)


def _settings(context: StageContext) -> RolloutSettings:
    section = context.recipe.evaluate
    return RolloutSettings(section.episodes, section.seed or 0, section.environments)


def _evaluate(context: StageContext, subject: Subject, target: Target, stop: Stop) -> Evaluated:
    """Roll one policy out, unless an earlier session has done so."""
    path = context.folder / FINISHED_FOLDER / f"{target.label}.csv"
    if context.resume and path.exists():
        context.reporter.message(f"evaluate: {target.label} was done before the interruption")
        return read_episodes(path)[0]
    episodes = rollout(
        context.recipe.env,
        *behavior(subject, target),
        _settings(context),
        context.reporter,
        description=f"evaluate {target.label}",
        stop=stop,
    )
    evaluated = Evaluated(target.method, target.kind, target.env_steps, tuple(episodes))
    make_folder(path.parent)
    write_episodes(path, [evaluated])
    return evaluated


def _write(context: StageContext, subject: Subject, evaluated: Sequence[Evaluated]) -> list[ResultRow]:
    """Write the numbers and the figure, and show the numbers."""
    section, folder, env = context.recipe.evaluate, context.folder, context.recipe.env
    provenance = Provenance(
        data=training_data(subject.artifact),
        commit=checkout_commit(),
        command=shlex.join(command_line()),
    )
    seed = section.seed or 0
    rows = result_rows(evaluated, env, provenance, resamples=section.bootstrap, seed=seed)
    write_episodes(folder / EPISODES_FILE, evaluated)
    write_results(folder / RESULTS_FILE, rows, evaluated, resamples=section.bootstrap, seed=seed)
    curve = [row for row in rows if row.metric == rows[0].metric and row.method == subject.method]
    draw_learning_curve(folder / CURVE_FILE, curve, env)
    _show(context, rows, evaluated)
    _say_if_nothing_succeeds(context, evaluated)
    return rows


def _say_if_nothing_succeeds(context: StageContext, evaluated: Sequence[Evaluated]) -> None:
    metrics = [result.metrics for group in evaluated for result in group.episodes]
    said = [one["success"] for one in metrics if "success" in one]
    if said and not any(said):
        context.reporter.warn(f"success was true in none of the {len(said)} episodes, whatever the policy")


def _show(context: StageContext, rows: Sequence[ResultRow], evaluated: Sequence[Evaluated]) -> None:
    lines = [
        {
            "method": row.method,
            "policy": row.policy,
            "env steps": row.env_steps,
            "episodes": row.episodes,
            "metric": row.metric,
            "mean": row.mean,
            "95 % interval": f"{row.low:.2f} to {row.high:.2f}",
        }
        for row in rows
    ]
    context.reporter.table(rows[0].env, lines)
    names = list(evaluated[0].episodes[0].metrics)
    if len(names) > 1:
        context.reporter.table("mean per episode", [_rates(group) for group in evaluated])


def _rates(group: Evaluated) -> dict[str, object]:
    rates = metric_rates([result.metrics for result in group.episodes], resamples=1)
    shown = {name: estimate.mean for name, estimate in rates.items() if name != "subtasks"}
    return {"method": group.method, "policy": group.policy, "env steps": group.env_steps, **shown}


def _draw_figures(context: StageContext, subject: Subject, stop: Stop) -> list[str]:
    """Draw the domain's own figures of the first policy and the baselines; return their names."""
    env = context.recipe.env

    def replayed(episodes: int, note: Callable[[np.ndarray], np.ndarray]) -> Iterator[Replayed]:
        for target in (subject.targets[0], *(target for target in subject.targets if target.weights is None)):
            settings = _settings(context)
            noted = noted_episodes(env, *behavior(subject, target), settings, episodes, note, stop)
            yield Replayed(target.label, noted)

    names = []
    for figure in domain_of(env).figures(env, replayed):
        figure.draw(context.folder / figure.name)
        names.append(figure.name)
    return names


def _film(context: StageContext, subject: Subject, stop: Stop) -> bool:
    """Draw the first episodes of the first policy; tell whether there is any video."""
    section, target = context.recipe.evaluate, subject.targets[0]
    count = min(section.video_episodes, section.episodes)
    if count == 0:
        return False
    request = VideoRequest(
        env=context.recipe.env.model_dump(mode="json"),
        decoder=str(subject.decoder.path),
        policy=str(target.weights),  # the first target is no baseline
        kind=target.kind,
        seed=section.seed or 0,
        episodes=count,
        squashed=subject.decoder.squashed,
        folder=str(context.folder / VIDEOS_FOLDER),
        name=target.label,
        recipe_folder=None if context.recipe.env.folder is None else str(context.recipe.env.folder),
    )
    files = record_videos(request, context.reporter, stop=stop)
    if stop():
        raise interrupted()
    return bool(files)


def _save_dataset(context: StageContext, subject: Subject, dataset_id: str, stop: Stop) -> None:
    target = subject.targets[0]
    decoder, policy = behavior(subject, target)
    settings = _settings(context)
    save_dataset(dataset_id, context.recipe.env, decoder, policy, settings, context.reporter, stop=stop)
    context.reporter.message(f"wrote the Minari dataset {dataset_id}")


def _headline(rows: Sequence[ResultRow], method: str) -> dict[str, float]:
    """Return the numbers of the policies that were trained longest, such as ``subtasks/mean``."""
    own = [row for row in rows if row.method == method]
    last = max(row.env_steps for row in own)
    return {f"{row.metric}/{row.policy}": row.mean for row in own if row.env_steps == last}
