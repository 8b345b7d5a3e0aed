"""Stage `clips`: demonstrations in, windows for training out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spirl_cli.clips.drawing import drawing_of
from spirl_cli.clips.reader import Clips, ClipWriter
from spirl_cli.demos.demonstrations import Demonstrations
from spirl_cli.demos.episode import Episode, join_short
from spirl_cli.demos.identity import DatasetIdentity
from spirl_cli.demos.score import SCORE
from spirl_cli.demos.source import Source, find_source
from spirl_cli.errors import DatasetError, Interrupted
from spirl_cli.evaluation.statistics import RATE, estimate
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.monitor.progress import ProgressBar
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.payload import CLIPS_FILE, GENERATED_FOLDER
from spirl_cli.printable import printable
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.store.manifest import InputRecord


def execute(context: StageContext) -> StageResult:
    """Write the clips of a recipe's demonstrations.

    Generated demonstrations are kept until the artifact is complete, so that an interrupted run can go on. Writing the
    clips takes seconds to minutes, so it has no checkpoints; memory holds one episode at a time.

    Raises:
        DatasetError: the dataset is missing or refused, or fewer than two of its episodes are as long as a window.
        UsageError: the recipe asks for something that generated demonstrations do not have.
        Interrupted: SIGINT or SIGTERM arrived.
    """
    recipe = context.recipe
    source = _planned_source(context)
    demonstrations = source.open(context.folder / GENERATED_FOLDER, context.reporter)
    context.reporter.message(f"demonstrations: {demonstrations.identity.reference}, since {source.why}")
    path = context.folder / CLIPS_FILE
    metrics = _write(path, recipe, demonstrations, context.reporter)
    metrics |= _windows(path)
    if demonstrations.success_rate is not None:
        metrics["planner_success"] = demonstrations.success_rate
        context.reporter.message(
            f"{demonstrations.success_rate:.1%} of the demonstrations made succeeded and were kept"
        )
    identity = demonstrations.identity
    score = _score(demonstrations)
    metrics |= {f"{SCORE}/{name}": float(values["mean"]) for name, values in score.items()}
    return StageResult(
        metrics=metrics,
        keep=(CLIPS_FILE,),
        inputs={"dataset": _record(identity)},
        extra={"dataset": {**asdict(identity), "why": source.why}, **({SCORE: score} if score else {})},
    )


def _score(demonstrations: Demonstrations) -> dict[str, dict[str, Any]]:
    """Return mean, interval and number of the outcomes that the dataset recorded, by name."""
    return {
        name: {**asdict(estimate([values], None if name == "return" else RATE)), "episodes": len(values)}
        for name, values in demonstrations.score.values().items()
    }


def identify(recipe: Recipe) -> InputRecord | None:
    """Return the identity of a recipe's dataset, or None if it is not on this computer; never use the network.

    Raises:
        DatasetError: the local dataset is damaged.
        UsageError: the recipe asks for demonstrations that its domain cannot make.
    """
    identity = find_source(recipe.extract, recipe.env).identity()
    return None if identity is None else _record(identity)


def obtain(recipe: Recipe, reporter: Reporter) -> InputRecord:
    """Fetch the dataset of a recipe, or find its stand-in; return the identity.

    Raises:
        DatasetError: it cannot be fetched, and nothing stands in for it.
    """
    source = find_source(recipe.extract, recipe.env)
    try:
        return _record(source.fetch(reporter))
    except DatasetError as error:
        if source.stand_in is None:
            raise
        reporter.message(f"demonstrations are scripted instead: {error.message}")
        identity = source.stand_in.identity()
        assert identity is not None, "demonstrations that are made have an identity before they exist"
        return _record(identity)


def _record(identity: DatasetIdentity) -> InputRecord:
    return InputRecord(printable(identity.reference), identity.sha256[:12], identity.sha256)


def _planned_source(context: StageContext) -> Source:
    """Return the source of the dataset in the fingerprint: the recipe's, or its stand-in."""
    source = find_source(context.recipe.extract, context.recipe.env)
    if source.stand_in is None or context.options.extract.dataset is None:
        return source
    identity = source.stand_in.identity()
    same = identity is not None and identity.reference == context.options.extract.dataset.reference
    return source.stand_in if same else source


def _write(path: Path, recipe: Recipe, demonstrations: Demonstrations, reporter: Reporter) -> dict[str, float]:
    """Stream the episodes into the file; count used episodes and too short ones."""
    section, title = recipe.extract, f"extract {demonstrations.identity.reference}"
    horizon, unused = recipe.train_skills.horizon, section.unused_final_starts
    with ClipWriter(path, horizon, demonstrations.bounds, unused, len(demonstrations)) as writer:
        with Interrupts() as interrupts, reporter.progress(title, len(demonstrations), "episodes") as bar:
            skipped = _append_all(writer, _watched(demonstrations, bar, interrupts), section)
        for note in demonstrations.notes:
            reporter.warn(note)
        _explain(skipped, writer, demonstrations, reporter)
        writer.finish(
            section.validation_fraction,
            section.seed or 0,
            asdict(demonstrations.identity),
            drawing_of(recipe.env),
            recipe.env.stacked_frames,
        )
        return {"episodes": writer.episodes, "steps": writer.steps, "skipped": skipped, **demonstrations.counts}


def _append_all(writer: ClipWriter, episodes: Iterator[Episode], section: ExtractSection) -> int:
    """Append the episodes that are long enough for a window; return the number of shorter ones."""
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
    """Yield the episodes and show progress, until a signal arrives."""
    for count, episode in enumerate(demonstrations, start=1):
        yield episode
        bar.update(count)
        if interrupts.requested:
            raise Interrupted("the extraction was interrupted", "the same command starts it again")


def _explain(skipped: int, writer: ClipWriter, demonstrations: Demonstrations, reporter: Reporter) -> None:
    """Report how many episodes were too short; refuse if fewer than two were long enough."""
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
    """Count the windows by opening the written file, which also proves that it can be read."""
    clips = Clips.open(path, load=False)
    return {"windows_train": len(clips.starts("train")), "windows_validation": len(clips.starts("validation"))}
