"""Stage `agent`: skills and prior → an agent, by prior-regularised soft actor-critic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.envs.make import check_compatible
from spirl_cli.envs.vector import SkillVector, make_vector
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.files import copy_whole, make_folder
from spirl_cli.inference.decoders import DecoderFile
from spirl_cli.inference.network_file import DecoderHeader
from spirl_cli.monitor.reporter import warned
from spirl_cli.monitor.training_run import TrainingRun
from spirl_cli.payload import (
    BEST,
    BEST_FILE,
    CHECKPOINTS,
    DECODER_FILE,
    EVENTS_FOLDER,
    METRICS_FILE,
    MODEL_FILE,
    POLICY_FILE,
    PRIOR,
    PRIOR_FILE,
    SKILLS,
    SNAPSHOTS_FOLDER,
    checkpoint_file,
    checkpoint_steps,
    snapshot_file,
    snapshot_steps,
)
from spirl_cli.recipe.schema import Recipe
from spirl_cli.rl.best import decline
from spirl_cli.rl.loop import SkillLearning
from spirl_cli.rl.replay import Replay
from spirl_cli.rl.sac import SAC
from spirl_cli.rl.watch import Watch
from spirl_cli.seals import break_seal, seal
from spirl_cli.skills.export_densities import export_policy
from spirl_cli.skills.model_files import load_prior
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import PriorNetwork, StandardNormal
from spirl_cli.stages.compatibility import check_images
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.stages.supervised import training_device, use_one_thread
from spirl_cli.stages.train_prior import state_normalizer
from spirl_cli.store.artifact import Artifact


def execute(context: StageContext) -> StageResult:
    """Train the agent; a finished run with fewer steps is continued instead of repeated."""
    use_one_thread()
    recipe, section = context.recipe, context.recipe.train_rl
    skills = DecoderFile.of(context.inputs[SKILLS].file(DECODER_FILE), context.parameters)
    _check_inputs(recipe, skills.header)
    prior, latent_dim = _prior(context, skills)
    finished = context.options.train_rl.continue_from
    if finished is not None and context.resume:
        _adopt(finished, context)
    environments = seeds(recipe)["environments"]
    vector = make_vector(recipe.env, skills.load(), section.environments, environments, warn=context.reporter.warn)
    try:
        bounds = action_bounds(recipe, skills.header)
        learning = make_learning(recipe, vector, prior, latent_dim, context.device, bounds)
        run_seconds, watch = _learn(context, learning)
    finally:
        vector.close()
    copy_whole(skills.path, context.folder / DECODER_FILE)  # so that an agent works without other artifacts
    export_policy(context.folder / POLICY_FILE, learning.sac.policy.cpu(), section.squash, bounds)
    checkpoint = checkpoint_file(learning.steps)
    keep = [POLICY_FILE, DECODER_FILE, METRICS_FILE, EVENTS_FOLDER, checkpoint, *learning.replay.segments]
    if (context.folder / SNAPSHOTS_FOLDER).is_dir():
        keep.append(SNAPSHOTS_FOLDER)
    metrics = {name: value for name, value in learning.metrics().items() if name.startswith("training/")}
    metrics["steps"] = float(learning.steps)
    if learning.best.step is not None:
        export_policy(context.folder / BEST_FILE, learning.best.policy(), section.squash, bounds)
        keep.append(BEST_FILE)
    findings = _findings(context, learning, watch)
    return StageResult(metrics, tuple(keep), extra=_best(learning), seconds=run_seconds, findings=findings)


def _best(learning: SkillLearning) -> dict[str, dict[str, float]]:
    """Return where the best weights were met, for the manifest."""
    best = learning.best
    return {} if best.step is None else {BEST: {"step": best.step, "return": best.mean}}


def _findings(context: StageContext, learning: SkillLearning, watch: Watch) -> tuple[str, ...]:
    """Return what was said during the run; where its end is worse than its beginning, say so."""
    compared = decline(learning.best.first, learning.recent_returns)
    if compared is None:
        return watch.findings
    best = learning.best
    kept = f"The best weights, at {best.step:,} steps with {best.mean:.3g}, are kept: `spirl evaluate --step best`. "
    findings = watch.verdict(*compared, kept if best.step is not None else "")
    warned(context.reporter, (text for text in findings if text not in watch.findings))
    return findings


def _prior(context: StageContext, skills: DecoderFile) -> tuple[PriorNetwork, int]:
    """Return the prior and the size K of its skills; N(0, I) if the recipe has no prior."""
    inputs = context.inputs
    if PRIOR in inputs:
        check_images(context.recipe.env, skills.path, inputs[PRIOR].file(PRIOR_FILE))
        return load_prior(inputs[PRIOR].file(MODEL_FILE))
    check_images(context.recipe.env, skills.path)
    latent_dim = skills.header.latent_dim
    return StandardNormal(state_normalizer(context.recipe.train_skills, inputs), latent_dim), latent_dim


def action_bounds(recipe: Recipe, skills: DecoderHeader) -> torch.Tensor | None:
    """Return lowest and highest action `(2, A)` if the policy is squashed into them, else None.

    Raises:
        UsageError: the policy's actions are skills, which have no bounds.
    """
    if recipe.train_rl.squash != "bounds":
        return None
    if skills.kind != "primitive":
        raise UsageError(
            "train_rl.squash 'bounds' is for primitive actions; skills have no bounds",
            "set train_rl.squash to none, tanh or consistent-tanh",
        )
    return torch.tensor([skills.action_low, skills.action_high])


def make_learning(
    recipe: Recipe,
    vector: SkillVector,
    prior: PriorNetwork,
    latent_dim: int,
    device: str,
    bounds: torch.Tensor | None = None,
) -> SkillLearning:
    """Make learner and replay memory for a vector of skill environments, seeded by the recipe."""
    section = recipe.train_rl
    streams = seeds(recipe)
    torch.manual_seed(streams["weights"])
    generator = torch.Generator().manual_seed(streams["samples"])
    scales = state_scales(recipe.env, prior.normalizer.size)
    sac = SAC(section, prior, latent_dim, generator, training_device(device), bounds, scales)
    replay = Replay(
        section.replay_capacity,
        sac.numbers,
        latent_dim,
        sac.pixels,
        section.rewarded_share,
        sac.prior_numbers if sac.notes_prior else None,
    )
    return SkillLearning(section, sac, vector, replay, np.random.default_rng(streams["batches"]))


def state_scales(env: EnvSection, known: int) -> Normalizer | None:
    """Return the standardisation of a state with more numbers than the prior's `known` ones, else None."""
    scales = domain_of(env).scales(env, known)
    return None if scales is None else Normalizer(torch.from_numpy(scales.mean), torch.from_numpy(scales.spread))


def seeds(recipe: Recipe) -> dict[str, int]:
    """Return independent seeds for everything random in this stage, from the recipe's seed."""
    names = ("weights", "samples", "batches", "environments")
    values = np.random.SeedSequence([recipe.train_rl.seed or 0, 1]).generate_state(len(names))
    return {name: int(value) for name, value in zip(names, values, strict=True)}


def _learn(context: StageContext, learning: SkillLearning) -> tuple[float, Watch]:
    """Run rounds until the steps are done, with metrics, snapshots and checkpoints; return seconds and the watch."""
    section = context.recipe.train_rl
    with TrainingRun(
        context.folder,
        learning,
        total=section.steps,
        unit="steps",
        description=context.spec.command,
        reporter=context.reporter,
        checkpoint_seconds=section.checkpoint_seconds,
        resume=context.resume,
    ) as run:
        if not learning.exact:
            context.reporter.warn(
                "the environment is not deterministic given its seed: the run goes on, but not exactly as it would have"
            )
        watch = Watch(section, run.metrics.rows())
        while learning.steps < section.steps:
            before = learning.steps
            learning.round()
            for snapshot in section.snapshots:
                if before < snapshot <= learning.steps:
                    _save_snapshot(context.folder, learning, snapshot)
            due = before // section.log_every < learning.steps // section.log_every or learning.steps >= section.steps
            metrics = learning.metrics() if due else None
            if metrics is not None:
                run.note = _note(metrics)
                warned(context.reporter, watch.look({"step": learning.steps, **metrics}))
            run.tick(learning.steps, metrics)
        return run.seconds, watch


def _note(metrics: dict[str, float]) -> str:
    shown = {"return": "training/return", "divergence": "learner/penalty", "alpha": "learner/alpha"}
    return "  ".join(f"{name} {metrics[key]:.3g}" for name, key in shown.items() if key in metrics)


def _save_snapshot(folder: Path, learning: SkillLearning, step: int) -> None:
    path = folder / snapshot_file(step)
    make_folder(path.parent)
    break_seal(path)
    export_policy(path, learning.sac.policy, learning.section.squash, learning.sac.bounds)
    seal(path)


def _adopt(finished: Artifact, context: StageContext) -> None:
    """Continue a finished run with fewer steps by copying its state into this run's folder.

    Raises:
        ArtifactError: one of its files is missing or damaged.
    """
    if any(context.folder.glob(CHECKPOINTS)):
        return  # this run has begun already
    context.reporter.message(f"train-rl: continuing {finished.reference}")
    wanted = {snapshot_file(step) for step in context.recipe.train_rl.snapshots}
    outputs = [output.file for output in finished.manifest.outputs if output.file != POLICY_FILE]
    names = [name for name in outputs if name in wanted or not snapshot_steps([name])]
    # the checkpoint comes last, after all files that it refers to
    for name in sorted(names, key=lambda name: bool(checkpoint_steps([name]))):
        try:
            copy_whole(finished.file(name), context.folder / name)
            seal(context.folder / name)
        except ArtifactError as error:
            raise ArtifactError(
                f"the steps of {finished.reference} cannot be continued: {error.message}",
                f"put a good copy of the file back, or start from step 0 with --no-resume; {finished.reference} stays",
            ) from error


def _check_inputs(recipe: Recipe, skills: DecoderHeader) -> None:
    if skills.horizon != recipe.train_skills.horizon and recipe.train_skills.model != "primitive":
        raise ArtifactError(
            f"the skills have horizon {skills.horizon}, the recipe {recipe.train_skills.horizon}",
            f"give other skills with --skills, or --set train_skills.horizon={skills.horizon}",
        )
    low, high = np.array(skills.action_low), np.array(skills.action_high)
    check_compatible(recipe.env, skills.state_dim, skills.action_dim, low, high)
