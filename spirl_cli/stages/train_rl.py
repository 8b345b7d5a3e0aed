"""Stage `agent`: skills and prior → an agent, by prior-regularised soft actor-critic."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

from spirl_cli.domains.blocks.geometry import typical
from spirl_cli.domains.drawn import block_numbers
from spirl_cli.domains.sections import BlocksSection, EnvSection
from spirl_cli.envs.make import check_compatible
from spirl_cli.envs.vector import SkillVector, make_vector
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.inference.decoders import load_decoder, read_network
from spirl_cli.monitor.training_run import TrainingRun
from spirl_cli.recipe.schema import Recipe
from spirl_cli.rl.loop import SkillLearning
from spirl_cli.rl.replay import Replay
from spirl_cli.rl.sac import SAC
from spirl_cli.skills.export_priors import export_policy
from spirl_cli.skills.model_files import MODEL, load_prior
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import PriorNetwork, StandardNormal
from spirl_cli.stages.compatibility import check_images
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.stages.supervised import training_device, use_one_thread
from spirl_cli.stages.train_prior import PRIOR, state_normalizer
from spirl_cli.store.artifact import Artifact

POLICY, DECODER, SNAPSHOTS, METRICS, EVENTS = (
    "policy.safetensors",
    "decoder.safetensors",
    "snapshots",
    "metrics.csv",
    "tensorboard",
)


def execute(context: StageContext) -> StageResult:
    """Train the agent; a finished run with fewer steps is continued instead of repeated."""
    use_one_thread()
    recipe, section = context.recipe, context.recipe.train_rl
    decoder_path = context.inputs["skills"].file(DECODER)
    _check_inputs(recipe, decoder_path)
    prior, latent_dim = _prior(context)
    finished = context.options.get("continue_from")
    if isinstance(finished, Artifact) and context.resume:
        _adopt(finished, context)
    decoder = load_decoder(decoder_path)
    tanh_actions = section.parity.tanh_actions
    vector = make_vector(
        recipe.env, decoder, section.environments, seeds(recipe)["environments"], tanh_actions=tanh_actions
    )
    try:
        bounds = action_bounds(recipe, decoder_path)
        learning = make_learning(recipe, vector, prior, latent_dim, context.device, bounds)
        run_seconds = _learn(context, learning)
    finally:
        vector.close()
    shutil.copyfile(decoder_path, context.folder / DECODER)  # so that an agent needs no other artifact
    export_policy(context.folder / POLICY, learning.sac.policy.cpu(), section.squash, bounds)
    checkpoint = f"checkpoint-{learning.steps}.safetensors"
    keep = [POLICY, DECODER, METRICS, EVENTS, checkpoint, *learning.replay.segments]
    if (context.folder / SNAPSHOTS).is_dir():
        keep.append(SNAPSHOTS)
    metrics = {name: value for name, value in learning.metrics().items() if name.startswith("training/")}
    return StageResult(metrics={**metrics, "steps": float(learning.steps)}, keep=tuple(keep), seconds=run_seconds)


def _prior(context: StageContext) -> tuple[PriorNetwork, int]:
    """Return the prior and the size K of its skills; where none is asked for, N(0, I)."""
    inputs, decoder_path = context.inputs, context.inputs["skills"].file(DECODER)
    if "prior" in inputs:
        check_images(context.recipe.env, decoder_path, inputs["prior"].file(PRIOR))
        return load_prior(inputs["prior"].file(MODEL))
    check_images(context.recipe.env, decoder_path)
    latent_dim = int(read_network(decoder_path)[1]["latent_dim"])
    return StandardNormal(state_normalizer(context.recipe.train_skills, inputs), latent_dim), latent_dim


def action_bounds(recipe: Recipe, decoder_path: Path) -> torch.Tensor | None:
    """Lowest and highest action (2, A), if the policy is to be squashed into them.

    Raises:
        UsageError: the policy's actions are skills, which have no bounds.
    """
    if recipe.train_rl.squash != "bounds":
        return None
    _, header = read_network(decoder_path)
    if header["kind"] != "primitive":
        raise UsageError(
            "train_rl.squash 'bounds' is for primitive actions; skills have no bounds",
            "set train_rl.squash to none, tanh or consistent-tanh",
        )
    return torch.tensor([header["action_low"], header["action_high"]])


def make_learning(
    recipe: Recipe,
    vector: SkillVector,
    prior: PriorNetwork,
    latent_dim: int,
    device: str,
    bounds: torch.Tensor | None = None,
) -> SkillLearning:
    """Learner and replay memory on a vector of skill environments, seeded by the recipe."""
    section = recipe.train_rl
    streams = seeds(recipe)
    torch.manual_seed(streams["weights"])
    generator = torch.Generator().manual_seed(streams["samples"])
    scales = state_scales(recipe.env, prior.normalizer.size)
    sac = SAC(section, prior, latent_dim, generator, training_device(device), bounds, scales)
    replay = Replay(section.replay_capacity, sac.numbers, latent_dim, sac.pixels, section.rewarded_share)
    return SkillLearning(section, sac, vector, replay, np.random.default_rng(streams["batches"]))


def state_scales(env: EnvSection, known: int) -> Normalizer | None:
    """Return what standardises the environment's state where it has more numbers than the `known` ones of the prior."""
    if not isinstance(env, BlocksSection):
        return None
    chosen = block_numbers(env)
    mean, spread = (torch.from_numpy(values[chosen]) for values in typical(env.blocks))
    return None if len(chosen) == known else Normalizer(mean, spread)


def seeds(recipe: Recipe) -> dict[str, int]:
    """Independent seeds for everything random in this stage, from the one in the recipe."""
    names = ("weights", "samples", "batches", "environments")
    values = np.random.SeedSequence([recipe.train_rl.seed or 0, 1]).generate_state(len(names))
    return {name: int(value) for name, value in zip(names, values, strict=True)}


def _learn(context: StageContext, learning: SkillLearning) -> float:
    """Run rounds until the steps are done, with metrics, snapshots and checkpoints; return the seconds."""
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
            run.tick(learning.steps, metrics)
        return run.seconds


def _note(metrics: dict[str, float]) -> str:
    shown = {"return": "training/return", "divergence": "learner/penalty", "alpha": "learner/alpha"}
    return "  ".join(f"{name} {metrics[key]:.3g}" for name, key in shown.items() if key in metrics)


def _save_snapshot(folder: Path, learning: SkillLearning, step: int) -> None:
    (folder / SNAPSHOTS).mkdir(exist_ok=True)
    path = folder / _snapshot_name(step)
    temporary = path.with_suffix(".tmp")
    export_policy(temporary, learning.sac.policy, learning.section.squash, learning.sac.bounds)
    temporary.replace(path)


def _snapshot_name(step: int) -> str:
    return f"{SNAPSHOTS}/policy-{step}.safetensors"


def _adopt(finished: Artifact, context: StageContext) -> None:
    """Start where a finished run with fewer steps ended, by copying its state into this run's folder."""
    if any(context.folder.glob("checkpoint-*.safetensors")):
        return  # this run has begun already
    context.reporter.message(f"train-rl: continuing {finished.reference}")
    wanted = {_snapshot_name(step) for step in context.recipe.train_rl.snapshots}
    outputs = [output.file for output in finished.manifest.outputs if output.file != POLICY]
    names = [name for name in outputs if not name.startswith(f"{SNAPSHOTS}/") or name in wanted]
    # the checkpoint last and whole: what it refers to must be there when it is
    for name in sorted(names, key=lambda name: name.startswith("checkpoint-")):
        target = context.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{target.name}.partial")
        shutil.copyfile(finished.file(name), temporary)
        temporary.replace(target)


def _check_inputs(recipe: Recipe, decoder_path: Path) -> None:
    _, header = read_network(decoder_path)
    if header["horizon"] != recipe.train_skills.horizon and recipe.train_skills.model != "primitive":
        raise ArtifactError(
            f"the skills have horizon {header['horizon']}, the recipe {recipe.train_skills.horizon}",
            f"give other skills with --skills, or --set train_skills.horizon={header['horizon']}",
        )
    low, high = np.array(header["action_low"]), np.array(header["action_high"])
    check_compatible(recipe.env, header["state_dim"], len(low), low, high)
