"""Stage `prior`: clips and skills → skill prior p(z | s), or behaviour cloning with primitive actions."""

from __future__ import annotations

from spirl_cli.clips import Clips
from spirl_cli.skills.export import export_gaussian
from spirl_cli.skills.files import load_skills, save_prior
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.prior_training import PriorTrainer
from spirl_cli.skills.training import make_normalizer
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.stages.extract import CLIPS_FILE
from spirl_cli.stages.training import train, training_device, use_one_thread

PRIOR, MODEL, METRICS, EVENTS = "prior.safetensors", "model.safetensors", "metrics.csv", "tensorboard"


def execute(context: StageContext) -> StageResult:
    """Train the prior on the frozen encoder's posteriors."""
    use_one_thread()
    recipe, section = context.recipe, context.recipe.train_prior
    clips = Clips.open(context.inputs["clips"].file(CLIPS_FILE))
    skills: SkillModel | None = None
    if recipe.train_skills.model == "primitive":
        normalizer, latent_dim = make_normalizer(recipe.train_skills, clips), clips.action_dim
    else:
        skills = load_skills(context.inputs["skills"].file("model.safetensors"))
        normalizer, latent_dim = skills.normalizer, skills.section.latent_dim
    device = training_device(context.device)
    trainer = PriorTrainer(section, clips, skills, normalizer, latent_dim, section.seed or 0, device)
    figures, seconds = train(context, trainer, section)
    trainer.prior.cpu()
    export_gaussian(context.folder / PRIOR, trainer.prior)
    save_prior(context.folder / MODEL, trainer.prior, section, latent_dim)
    return StageResult(metrics=figures, keep=(PRIOR, MODEL, METRICS, EVENTS), seconds=seconds)
