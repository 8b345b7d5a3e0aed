"""Stage `skills`: clips → skill encoder and decoder."""

from __future__ import annotations

from spirl_cli.clips.reader import Clips
from spirl_cli.envs.make import check_compatible
from spirl_cli.monitor.reporter import warned
from spirl_cli.payload import CLIPS, CLIPS_FILE, DECODER_FILE, EVENTS_FOLDER, METRICS_FILE, MODEL_FILE
from spirl_cli.skills.export_decoders import export_decoder, export_primitive_decoder
from spirl_cli.skills.model_files import save_skills
from spirl_cli.skills.skill_training import SkillTrainer
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.stages.supervised import train, training_device, use_one_thread


def execute(context: StageContext) -> StageResult:
    """Train the skill model that the recipe describes; primitive actions need no training.

    Raises:
        ArtifactError: sizes or bounds of the clips differ from those of the recipe's environment, so that the skills
            could never act there.
    """
    use_one_thread()
    section = context.recipe.train_skills
    clips = Clips.open(context.inputs[CLIPS].file(CLIPS_FILE))
    bounds = clips.action_low, clips.action_high
    check_compatible(context.recipe.env, clips.observation_dim, clips.action_dim, *bounds)
    if section.model == "primitive":
        export_primitive_decoder(context.folder / DECODER_FILE, clips)
        return StageResult(metrics={}, keep=(DECODER_FILE,))
    trainer = SkillTrainer(section, clips, section.seed or 0, training_device(context.device))
    metrics, seconds = train(context, trainer, section)
    report = trainer.report()
    findings = warned(context.reporter, report.findings())
    trainer.model.cpu()
    export_decoder(context.folder / DECODER_FILE, trainer.model, clips)
    save_skills(context.folder / MODEL_FILE, trainer.model, clips.action_dim)
    return StageResult(
        metrics={**metrics, **report.metrics()},
        keep=(DECODER_FILE, MODEL_FILE, METRICS_FILE, EVENTS_FOLDER),
        seconds=seconds,
        findings=findings,
    )
