"""Run planned stages: lock, execute, commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from spirl_cli.errors import ArtifactError
from spirl_cli.payload import AGENT, PRIOR, SKILLS
from spirl_cli.pipeline.changes import changes
from spirl_cli.pipeline.plan import PlannedStage, Request, plan
from spirl_cli.room import room_for
from spirl_cli.stages.context import ExtractOptions, Options, StageContext, StageResult, TrainRLOptions
from spirl_cli.store.changes import CHANGES
from spirl_cli.store.leaves import values_by_path
from spirl_cli.store.provenance import checkout_commit
from spirl_cli.store.writer import open_run, tidy
from spirl_cli.tracking.session import Tracking
from spirl_cli.tracking.tracker import TrackedRun

if TYPE_CHECKING:
    from spirl_cli.monitor.reporter import Reporter
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.stages.context import StageSpec
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.writer import Run

TRAINED = (SKILLS, PRIOR, AGENT)


@dataclass(frozen=True)
class ExecutionSettings:
    """Settings of running stages in this process; none of them affects a fingerprint.

    Attributes:
        reporter: talks to the user.
        device: `auto`, `cpu` or `cuda`.
        resume: whether unfinished runs continue from their checkpoints; if not, they start again.
        on_outcome: receives the outcome of every stage.
        track: names of the trackers that follow each stage that runs.
    """

    reporter: Reporter
    device: str = "auto"
    resume: bool = True
    on_outcome: Callable[[Outcome], None] = lambda outcome: None
    track: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The outcome of a planned stage: its artifact, and whether it was made just now."""

    stage: PlannedStage
    artifact: Artifact
    made: bool


def prepare(request: Request, reporter: Reporter) -> list[PlannedStage]:
    """Plan a request that is about to run; fetch the dataset if the plan depends on it.

    Raises:
        DatasetError: the dataset is not on this machine and cannot be fetched.
    """
    planned = plan(request)
    first = planned[0]
    if not first.spec.reads_dataset or first.fingerprint is not None:
        return planned
    record = import_module(first.spec.module).obtain(request.recipe, reporter)
    return plan(replace(request, dataset=record))


def run_pipeline(request: Request, settings: ExecutionSettings) -> list[Outcome]:
    """Make the wanted artifact and all artifacts that it depends on, unless they are up to date."""
    outcomes: list[Outcome] = []
    planned = prepare(request, settings.reporter)
    if any(stage.artifact is None and stage.spec.name in TRAINED for stage in planned):
        _try_environment(request, settings)
    for stage in planned:
        inputs = {outcome.stage.spec.name: outcome.artifact for outcome in outcomes}
        outcomes.append(_ensure(stage, request, settings, inputs))
    return outcomes


def run_stage(request: Request, settings: ExecutionSettings) -> Outcome:
    """Make the wanted artifact alone; its inputs must exist.

    Raises:
        ArtifactError: an input is missing; the message names the nearest candidates.
    """
    planned = prepare(request, settings.reporter) if request.last.reads_dataset else plan(request)
    last = planned[-1]
    inputs = inputs_of(last, planned, request) if last.artifact is None else {}
    if last.artifact is None and last.spec.name == AGENT:
        _try_environment(request, settings)
    return _ensure(last, request, settings, inputs)


def _try_environment(request: Request, settings: ExecutionSettings) -> None:
    """Find out what is wrong with the environment before anything is trained for it."""
    from spirl_cli.envs.trial import try_environment

    try_environment(request.recipe.env, settings.reporter.warn)


def inputs_of(stage: PlannedStage, planned: Sequence[PlannedStage], request: Request) -> dict[str, Artifact]:
    """Return the input artifacts of a stage.

    Raises:
        ArtifactError: one is missing; the message names the nearest candidates and their differences.
    """
    known = {one.spec.name: one for one in planned}
    found: dict[str, Artifact] = {}
    for name in stage.spec.inputs:
        artifact = known[name].artifact
        if artifact is None:
            raise _missing(known[name], stage, request)
        found[name] = artifact
    return found


def _missing(wanted: PlannedStage, reader: PlannedStage, request: Request) -> ArtifactError:
    typed = request.named or request.recipe.id
    message = (
        f"{reader.spec.command} needs the {wanted.spec.name} that the recipe '{request.recipe.id}' plans, "
        "and there is none."
    )
    nearest = request.store.nearest(wanted.spec.name, wanted.parameters)
    for artifact, differing in nearest:
        message += f"\n  {artifact.reference}: {'; '.join(differing) or 'same parameters, other inputs'}"
    hint = f"make it with `spirl {wanted.spec.command} {typed}` (or all with `spirl run {typed}`)"
    if nearest:
        hint += f", or give one of these with --{wanted.spec.name} REF"
    return ArtifactError(message, hint)


def _ensure(
    stage: PlannedStage, request: Request, settings: ExecutionSettings, inputs: Mapping[str, Artifact]
) -> Outcome:
    if stage.artifact is not None:
        tidy(stage.artifact.path.parent)
        outcome = Outcome(stage, stage.artifact, made=False)
    else:
        settings.reporter.message(f"{stage.spec.command} {request.recipe.id}: {'; '.join(stage.reasons)}")
        outcome = _run(stage, request, settings, inputs)
    settings.on_outcome(outcome)
    return outcome


def _run(stage: PlannedStage, request: Request, settings: ExecutionSettings, inputs: Mapping[str, Artifact]) -> Outcome:
    """Run one stage under its lock, unless another process has finished it in the meantime."""
    if stage.fingerprint is None:
        raise ArtifactError(f"{stage.spec.command}: the dataset of the recipe cannot be identified.")
    forced = stage.spec.name in request.force
    place = (request.recipe.id, stage.spec.name, stage.fingerprint)
    with (
        room_for(request.store.run_folder(*place)),
        open_run(request.store, *place, on_wait=settings.reporter.message) as run,
    ):
        if run.existing is not None and not forced:
            return Outcome(stage, run.existing, made=False)
        if settings.resume:
            run.require_sound()
        else:
            run.fresh()
        context = _context(stage, request, settings, inputs, run)
        with _tracking(context, stage.fingerprint, settings) as tracking:
            result: StageResult = import_module(stage.spec.module).execute(context)
            _check_dataset(stage, result)
            artifact = _commit(context, result, run)
            tracking.made(artifact.reference, artifact.path, artifact.manifest.metrics)
        return Outcome(stage, artifact, made=True)


def _tracking(context: StageContext, fingerprint: str, settings: ExecutionSettings) -> Tracking:
    recipe, stage = context.recipe, context.spec.name
    labels = {
        "recipe": recipe.id,
        "stage": stage,
        "profile": recipe.profile,
        "method": recipe.method,
        "seed": str(stage_seed(recipe, context.spec)),
        "commit": checkout_commit() if settings.track else None,
    }
    told = TrackedRun(
        f"{recipe.id}/{stage}",
        fingerprint,
        values_by_path(context.parameters),
        {name: text for name, text in labels.items() if text is not None},
    )
    return Tracking(settings.track, told, context.folder, settings.reporter, fresh=not settings.resume)


def _check_dataset(stage: PlannedStage, result: StageResult) -> None:
    """Refuse clips of a dataset that is not the one in the fingerprint."""
    for name, record in result.inputs.items():
        planned = stage.inputs.get(name)
        if planned is not None and planned != record.fingerprint:
            raise ArtifactError(f"{record.reference} changed while it was read.", "run the same command again")


def _commit(context: StageContext, result: StageResult, run: Run) -> Artifact:
    recipe = context.recipe
    inputs = {name: artifact.as_input() for name, artifact in context.inputs.items()}
    return run.commit(
        stage_version=context.spec.version,
        parameters=context.parameters,
        inputs={**inputs, **result.inputs},
        seed=stage_seed(recipe, context.spec),
        keep=result.keep,
        profile=recipe.profile,
        metrics=result.metrics,
        extra={
            **result.extra,
            **({"findings": list(result.findings)} if result.findings else {}),
            **({CHANGES: changed} if (changed := changes(recipe, context.spec)) else {}),
            "device": context.device,
            "recipe": recipe.model_dump(mode="json"),
        },
        seconds=result.seconds,
    )


def stage_seed(recipe: Recipe, spec: StageSpec) -> int:
    """Return the seed of a stage, from its section; loading a recipe has filled it in."""
    section = getattr(recipe, spec.section)
    return recipe.seed if section.seed is None else int(section.seed)


def _context(
    stage: PlannedStage, request: Request, settings: ExecutionSettings, inputs: Mapping[str, Artifact], run: Run
) -> StageContext:
    dataset = stage.records.get("dataset")
    return StageContext(
        recipe=request.recipe,
        spec=stage.spec,
        parameters=stage.parameters,
        inputs={name: inputs[name] for name in stage.spec.inputs},
        folder=run.folder,
        reporter=settings.reporter,
        device=settings.device,
        resume=settings.resume,
        options=Options(ExtractOptions(dataset), TrainRLOptions(stage.continue_from), request.evaluate),
    )
