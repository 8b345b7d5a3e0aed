"""Stage `clips`: demonstrations in, windows for training out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np

from spirl_cli.clips.drawing import drawing_of
from spirl_cli.clips.reader import Clips, ClipWriter, Split
from spirl_cli.demos.demonstrations import Demonstrations, refuse_differing
from spirl_cli.demos.episode import Episode, join_short
from spirl_cli.demos.identity import DatasetIdentity, joined_identity
from spirl_cli.demos.score import SCORE
from spirl_cli.demos.source import Source, find_sources
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
    sources = _planned_sources(context)
    datasets = [source.open(context.folder / GENERATED_FOLDER, context.reporter) for source in sources]
    for source, one in zip(sources, datasets, strict=True):
        context.reporter.message(f"demonstrations: {one.identity.reference}, since {source.why}")
    refuse_differing(datasets)
    identity = _joined([one.identity for one in datasets])
    path = context.folder / CLIPS_FILE
    counts = _write(path, recipe, datasets, identity, context.reporter)
    counts = [{**made, **windows} for made, windows in zip(counts, _windows(path), strict=True)]
    metrics = {name: sum(one.get(name, 0) for one in counts) for name in dict.fromkeys(chain(*counts))}
    _say_success(datasets, metrics, context.reporter)
    score = _score(datasets)
    metrics |= {f"{SCORE}/{name}": float(values["mean"]) for name, values in score.items()}
    extra: dict[str, Any] = {"dataset": {**asdict(identity), "why": sources[0].why}}
    extra |= {SCORE: score} if score else {}
    if len(datasets) > 1:
        rows = [
            {"dataset": printable(one.identity.reference), **row} for one, row in zip(datasets, counts, strict=True)
        ]
        context.reporter.table("episodes of each dataset, of which each has a share held out", rows)
        extra["datasets"] = rows
    return StageResult(metrics, (CLIPS_FILE,), {"dataset": _record(identity)}, extra)


def _score(datasets: Sequence[Demonstrations]) -> dict[str, dict[str, Any]]:
    """Return mean, interval and number of the outcomes that all datasets recorded, by name."""
    scores = [one.score.values() for one in datasets]
    shared = [name for name in scores[0] if all(name in one for one in scores)]
    values = {name: [value for one in scores for value in one[name]] for name in shared}
    return {
        name: {**asdict(estimate([numbers], None if name == "return" else RATE)), "episodes": len(numbers)}
        for name, numbers in values.items()
    }


def identify(recipe: Recipe) -> InputRecord | None:
    """Return the identity of a recipe's dataset, or None if it is not on this computer; never use the network.

    Raises:
        DatasetError: the local dataset is damaged.
        UsageError: the recipe asks for demonstrations that its domain cannot make.
    """
    identities = [source.identity() for source in find_sources(recipe.extract, recipe.env)]
    known = [identity for identity in identities if identity is not None]
    return _record(_joined(known)) if len(known) == len(identities) else None


def obtain(recipe: Recipe, reporter: Reporter) -> InputRecord:
    """Fetch the dataset of a recipe, or find its stand-in; return the identity.

    Raises:
        DatasetError: it cannot be fetched, and nothing stands in for it.
    """
    return _record(_joined([_fetched(source, reporter) for source in find_sources(recipe.extract, recipe.env)]))


def _fetched(source: Source, reporter: Reporter) -> DatasetIdentity:
    try:
        return source.fetch(reporter)
    except DatasetError as error:
        if source.stand_in is None:
            raise
        reporter.message(f"demonstrations are scripted instead: {error.message}")
        identity = source.stand_in.identity()
        assert identity is not None, "demonstrations that are made have an identity before they exist"
        return identity


def _joined(identities: Sequence[DatasetIdentity]) -> DatasetIdentity:
    return identities[0] if len(identities) == 1 else joined_identity(identities)


def _record(identity: DatasetIdentity) -> InputRecord:
    return InputRecord(printable(identity.reference), identity.sha256[:12], identity.sha256)


def _planned_sources(context: StageContext) -> tuple[Source, ...]:
    """Return the sources of the datasets in the fingerprint: the recipe's, or the stand-in."""
    sources = find_sources(context.recipe.extract, context.recipe.env)
    stand_in = sources[0].stand_in
    if stand_in is None or context.options.extract.dataset is None:
        return sources
    identity = stand_in.identity()
    same = identity is not None and identity.reference == context.options.extract.dataset.reference
    return (stand_in,) if same else sources


def _write(
    path: Path, recipe: Recipe, datasets: Sequence[Demonstrations], identity: DatasetIdentity, reporter: Reporter
) -> list[dict[str, float]]:
    """Stream the episodes into the file; count for each dataset used episodes and too short ones."""
    section, counts = recipe.extract, []
    horizon, unused, expected = recipe.train_skills.horizon, section.unused_final_starts, sum(map(len, datasets))
    with ClipWriter(path, horizon, datasets[0].bounds, unused, expected) as writer:
        for place, demonstrations in enumerate(datasets):
            if place:
                writer.next_dataset()
            counts.append(_append_dataset(writer, demonstrations, section, reporter))
        skipped = sum(one["skipped"] for one in counts)
        _explain(int(skipped), writer, identity.reference, reporter)
        writer.finish(
            section.validation_fraction,
            section.seed or 0,
            asdict(identity),
            drawing_of(recipe.env),
            recipe.env.stacked_frames,
        )
    return counts


def _append_dataset(
    writer: ClipWriter, demonstrations: Demonstrations, section: ExtractSection, reporter: Reporter
) -> dict[str, float]:
    """Append the episodes of a dataset; count those that are used and those that are too short."""
    title, episodes, steps = f"extract {demonstrations.identity.reference}", writer.episodes, writer.steps
    with Interrupts() as interrupts, reporter.progress(title, len(demonstrations), "episodes") as bar:
        skipped = _append_all(writer, _watched(demonstrations, bar, interrupts), section)
    for note in demonstrations.notes:
        reporter.warn(note)
    made = {"episodes": writer.episodes - episodes, "steps": writer.steps - steps, "skipped": skipped}
    return {**made, **demonstrations.counts}


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


def _explain(skipped: int, writer: ClipWriter, reference: str, reporter: Reporter) -> None:
    """Report how many episodes were too short; refuse if fewer than two were long enough."""
    few = f"fewer than {writer.shortest} steps, the length of a window"
    if writer.episodes < 2 and skipped:
        raise DatasetError(
            f"{reference}: {skipped} of {skipped + writer.episodes} episodes have {few}; "
            "at least two long enough are needed, one to train and one to validate",
            "shorten the windows with --set train_skills.horizon=N",
        )
    if skipped:
        reporter.warn(f"skipped {skipped} of {skipped + writer.episodes} episodes: {few}")


def _windows(path: Path) -> list[dict[str, float]]:
    """Count the windows of each dataset by opening the written file, which also proves that it can be read."""
    clips = Clips.open(path, load=False)
    edges = clips.episode_offsets[clips.dataset_offsets]  # (K+1,) first row of every dataset
    train, validation = (np.diff(np.searchsorted(clips.starts(split), edges)) for split in get_args(Split))
    pairs = zip(train.tolist(), validation.tolist(), strict=True)
    return [{"windows_train": one, "windows_validation": other} for one, other in pairs]


def _say_success(datasets: Sequence[Demonstrations], metrics: dict[str, float], reporter: Reporter) -> None:
    """Say how many of the demonstrations made succeeded, if any could fail."""
    rate = datasets[0].success_rate
    if rate is not None:
        metrics["planner_success"] = rate
        reporter.message(f"{rate:.1%} of the demonstrations made succeeded and were kept")
