"""Stage `prior`: clips and skills → skill prior p(z | s), or behaviour cloning with primitive actions."""

from __future__ import annotations

from collections.abc import Mapping

from spirl_cli.clips.reader import Clips
from spirl_cli.monitor.metrics import metric_rows
from spirl_cli.monitor.reporter import warned
from spirl_cli.payload import CLIPS, CLIPS_FILE, EVENTS_FOLDER, METRICS_FILE, MODEL_FILE, PRIOR_FILE, SKILLS
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.export_densities import export_prior
from spirl_cli.skills.model_files import load_skills, save_prior
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.preparation import make_normalizer
from spirl_cli.skills.prior_training import PriorTrainer
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.stages.supervised import train, training_device, use_one_thread
from spirl_cli.store.artifact import Artifact


def execute(context: StageContext) -> StageResult:
    """Train the prior on the frozen encoder's posteriors."""
    use_one_thread()
    recipe, section = context.recipe, context.recipe.train_prior
    clips = Clips.open(context.inputs[CLIPS].file(CLIPS_FILE))
    skills: SkillModel | None = None
    latent_dim = clips.action_dim
    if recipe.train_skills.model != "primitive":
        skills = load_skills(context.inputs[SKILLS].file(MODEL_FILE))
        latent_dim = skills.section.latent_dim
    normalizer = state_normalizer(recipe.train_skills, context.inputs)
    device = training_device(context.device)
    trainer = PriorTrainer(section, clips, skills, normalizer, latent_dim, section.seed or 0, device)
    metrics, seconds = train(context, trainer, section)
    report = trainer.report(metric_rows(context.folder))
    findings = warned(context.reporter, report.findings())
    trainer.prior.cpu()
    export_prior(context.folder / PRIOR_FILE, trainer.prior)
    save_prior(context.folder / MODEL_FILE, trainer.prior, section, latent_dim)
    return StageResult(
        metrics={**metrics, **report.metrics()},
        keep=(PRIOR_FILE, MODEL_FILE, METRICS_FILE, EVENTS_FOLDER),
        seconds=seconds,
        findings=findings,
    )


def state_normalizer(section: TrainSkillsSection, inputs: Mapping[str, Artifact]) -> Normalizer:
    """Return the standardisation of states: the skills' one, or the clips' one for primitive actions."""
    if section.model == "primitive":
        return make_normalizer(section, Clips.open(inputs[CLIPS].file(CLIPS_FILE)))
    return load_skills(inputs[SKILLS].file(MODEL_FILE)).normalizer
