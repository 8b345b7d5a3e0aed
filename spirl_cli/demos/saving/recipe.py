"""Writes the demonstrations of a recipe, stored or made, as a dataset."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spirl_cli.demos.demonstrations import Demonstrations, refuse_differing
from spirl_cli.demos.episode import Episode
from spirl_cli.demos.saving.target import STATE, USUAL_FPS, About, Format, SavedEpisode, opened_target
from spirl_cli.demos.source import find_sources
from spirl_cli.domains.registry import domain_of
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.recipe.schema import Recipe
from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart, images_of


def save_demonstrations(recipe: Recipe, target: str, format: Format, reporter: Reporter) -> int:
    """Write the episodes as `spirl extract` checks and selects them: numbers under `state`, images by their keys.

    Args:
        recipe: says which demonstrations.
        target: Minari id, file or folder; `check_target` has seen it.
        format: of the target.
        reporter: shows progress.

    Returns:
        The number of episodes.

    Raises:
        DatasetError: as from the demonstrations, or nothing was in them.
    """
    written = 0
    with tempfile.TemporaryDirectory() as folder:
        datasets = [source.open(Path(folder), reporter) for source in find_sources(recipe.extract, recipe.env)]
        refuse_differing(datasets)
        bounds = datasets[0].bounds
        about = About(domain_of(recipe.env).setting(recipe.env).env, USUAL_FPS, bounds.low, bounds.high)
        with opened_target(target, format, about) as writer:
            for demonstrations in datasets:
                for episode in demonstrations:
                    writer.add(SavedEpisode(_observations(recipe, episode), episode.actions, None))
                    written += 1
                _warn(demonstrations, reporter)
    return written


def _observations(recipe: Recipe, episode: Episode) -> Mapping[str, np.ndarray]:
    """Return the numbers of an episode and what each of its cameras showed."""
    found = {STATE: episode.observations}
    images = None if episode.images is None else np.asarray(episode.images)
    channel = 0
    for part in images_of(recipe.extract.observation or WHOLE_OBSERVATION):
        assert images is not None and part.image is not None, "a marked image was selected"
        found[_name(part)] = images[..., channel : channel + part.image.channels]
        channel += part.image.channels
    return found


def _name(part: ObservationPart) -> str:
    return part.key or "pixels"


def _warn(demonstrations: Demonstrations, reporter: Reporter) -> None:
    for note in demonstrations.notes:
        reporter.warn(note)
