"""Stage `clips`: demonstrations in, windows for training out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from spirl_cli.clips.drawing import Drawing, drawing_of
from spirl_cli.clips.reader import CLIPS_FILE, Clips, ClipWriter
from spirl_cli.demos.demonstrations import Demonstrations
from spirl_cli.demos.episode import Episode, join_short
from spirl_cli.demos.made import generate_demonstrations, script_demonstrations
from spirl_cli.demos.source import open_demonstrations
from spirl_cli.errors import DatasetError, Interrupted, UsageError
from spirl_cli.files import discard
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.monitor.progress import ProgressBar
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.store.manifest import InputRecord

GENERATED = "generated"  # folder of demonstrations that are made, not read


def execute(context: StageContext) -> StageResult:
    """Write the clips of a recipe's demonstrations.

    Demonstrations that have to be generated are kept until the clips are complete, so that an
    interrupted run goes on. Writing the clips takes seconds to minutes and holds one episode in
    memory, so it has no checkpoints.

    Raises:
        DatasetError: the dataset is missing or refused, or no two of its episodes are as long
            as a window.
        UsageError: the recipe wants of generated demonstrations what they cannot give.
        Interrupted: SIGINT or SIGTERM arrived.
    """
    recipe = context.recipe
    demonstrations = _open(context)
    why = _why(context)
    context.reporter.message(f"demonstrations: {demonstrations.identity.reference}, since {why}")
    path = context.folder / CLIPS_FILE
    horizon, drawing = recipe.train_skills.horizon, drawing_of(recipe.env)
    metrics = _write(path, horizon, recipe.extract, demonstrations, drawing, context.reporter)
    metrics |= _windows(path)
    if demonstrations.success_rate is not None:
        metrics["planner_success"] = demonstrations.success_rate
        context.reporter.message(
            f"{demonstrations.success_rate:.1%} of the demonstrations made succeeded and were kept"
        )
    discard(context.folder / GENERATED)
    identity = demonstrations.identity
    return StageResult(
        metrics=metrics,
        keep=(CLIPS_FILE,),
        inputs={"dataset": InputRecord(identity.reference, identity.sha256[:12], identity.sha256)},
        extra={"dataset": {**asdict(identity), "why": why}},
    )


def _open(context: StageContext) -> Demonstrations:
    """Find, download or generate the demonstrations."""
    section, env = context.recipe.extract, context.recipe.env
    if section.source == "scripted" or context.options.get("scripted"):
        if env.kind != "kitchen":
            raise UsageError(f"extract.source 'scripted' is for env.kind 'kitchen', not '{env.kind}'")
        return script_demonstrations(section, context.folder / GENERATED, context.reporter)
    if section.source != "planner":
        return open_demonstrations(context.recipe.extract, context.reporter.message)
    _check_environment(context.recipe)
    return generate_demonstrations(context.recipe.extract, context.folder / GENERATED, context.reporter)


def _why(context: StageContext) -> str:
    """Say why the demonstrations come from where they come from."""
    section = context.recipe.extract
    if context.options.get("scripted"):
        return f"{section.dataset} is neither on this machine nor could it be downloaded"
    if section.source == "auto":
        return "it is on this machine"
    return f"extract.source is '{section.source}'"


def _check_environment(recipe: Recipe) -> None:
    kind = "maze" if recipe.extract.blocks_planner is None else "blocks"
    if recipe.env.kind != kind:
        planner = "planner" if kind == "maze" else "blocks_planner"
        raise UsageError(
            f"extract.{planner} makes demonstrations for env.kind '{kind}', not '{recipe.env.kind}'",
            "name a dataset with --set extract.source=auto --set extract.dataset=ID",
        )


def _write(
    path: Path,
    horizon: int,
    section: ExtractSection,
    demonstrations: Demonstrations,
    drawing: Drawing | None,
    reporter: Reporter,
) -> dict[str, float]:
    """Stream the episodes into the file; count those that were used and those too short."""
    title = f"extract {demonstrations.identity.reference}"
    with ClipWriter(path, horizon, demonstrations.bounds, section.unused_final_starts) as writer:
        with Interrupts() as interrupts, reporter.progress(title, len(demonstrations), "episodes") as bar:
            skipped = _append_all(writer, _watched(demonstrations, bar, interrupts), section)
        for note in demonstrations.notes:
            reporter.warn(note)
        _explain(skipped, writer, demonstrations, reporter)
        writer.finish(section.validation_fraction, section.seed or 0, asdict(demonstrations.identity), drawing)
        return {"episodes": writer.episodes, "steps": writer.steps, "skipped": skipped, **demonstrations.counts}


def _append_all(writer: ClipWriter, episodes: Iterator[Episode], section: ExtractSection) -> int:
    """Append the episodes that hold a window; return how many were too short."""
    if section.short_episodes == "join":
        episodes = join_short(episodes, writer.shortest)
    skipped = 0
    for episode in episodes:
        if episode.steps < writer.shortest:
            skipped += 1
        else:
            writer.append(episode)
    return skipped


def _watched(demonstrations: Demonstrations, bar: ProgressBar, interrupts: Interrupts) -> Iterator[Episode]:
    """Yield the episodes, with progress, until a signal arrives."""
    for count, episode in enumerate(demonstrations, start=1):
        yield episode
        bar.update(count)
        if interrupts.requested:
            raise Interrupted("the extraction was interrupted", "the same command starts it again")


def _explain(skipped: int, writer: ClipWriter, demonstrations: Demonstrations, reporter: Reporter) -> None:
    """Say how many episodes were too short; refuse if hardly any was long enough."""
    few = f"fewer than {writer.shortest} steps, the length of a window"
    if writer.episodes < 2 and skipped:
        raise DatasetError(
            f"{demonstrations.identity.reference}: {skipped} of {skipped + writer.episodes} episodes have {few}; "
            "at least two long enough are needed, one to train and one to validate",
            "shorten the windows with --set train_skills.horizon=N",
        )
    if skipped:
        reporter.warn(f"skipped {skipped} of {skipped + writer.episodes} episodes: {few}")


def _windows(path: Path) -> dict[str, float]:
    """Count the windows by opening what was written, which also proves that it can be read."""
    clips = Clips.open(path, load=False)
    return {"windows_train": len(clips.starts("train")), "windows_validation": len(clips.starts("validation"))}
