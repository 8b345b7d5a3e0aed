"""Demonstrations of a recipe: checked episodes from any source, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from spirl_cli.camera import Cameras
from spirl_cli.demos.dataset import Episodes, StoredEpisode
from spirl_cli.demos.episode import ActionBounds, Episode, EpisodeChecker, Treatment, action_bounds
from spirl_cli.demos.identity import DatasetIdentity
from spirl_cli.demos.score import Score
from spirl_cli.errors import DatasetError, SpirlError, UsageError
from spirl_cli.observation import select
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.settings import WHOLE_OBSERVATION, numbers_of


class Demonstrations:
    """The episodes that a recipe asks for; iterating reads one after the other into memory.

    Attributes:
        identity: identity and size of the whole dataset.
        bounds: finite bounds of the actions.
        success_rate: share of the attempts that were good enough to be kept; None if every attempt is kept.
        score: outcomes that the dataset recorded; complete after iterating.
    """

    def __init__(
        self,
        section: ExtractSection,
        source: Episodes,
        identity: DatasetIdentity,
        success_rate: float | None = None,
    ) -> None:
        self.identity, self.success_rate, self.score = identity, success_rate, Score()
        if self.identity.episodes == 0:
            raise DatasetError(f"{self.identity.reference} has no episodes")
        self.bounds = _bounds(section, source, self.identity.reference)
        self._source = source
        treatment = Treatment(section.bad_episodes or "refuse", section.out_of_bounds or "refuse")
        self._checker = EpisodeChecker(self.bounds, treatment)
        parts = section.observation or WHOLE_OBSERVATION
        self._numbers, self._cameras = numbers_of(parts), Cameras(parts)
        self._limit = section.episodes or self.identity.episodes

    def __len__(self) -> int:
        """Return the number of episodes that iterating reads."""
        return min(self._limit, self.identity.episodes)

    @property
    def notes(self) -> list[str]:
        """Sentences on what was found and mended; complete after iterating."""
        stored = getattr(self._source, "notes", ())  # demonstrations that are generated have none
        return [*stored, *self._checker.notes(self.identity.reference)]

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of episodes and steps that were mended, for the metrics."""
        return self._checker.counts()

    def __iter__(self) -> Iterator[Episode]:
        """Yield the episodes in the order of the dataset, without those that the recipe leaves out.

        Raises:
            DatasetError: an episode is wrong or unreadable; the message has its number.
        """
        episodes = self._source.episodes()
        self._checker.reset()
        self.score.reset()
        for number in range(len(self)):
            try:
                episode = self._checked(next(episodes))
            except SpirlError as error:
                raise DatasetError(f"{self.identity.reference}: {error.message}", error.hint) from error
            except (OSError, KeyError, ValueError, RuntimeError, StopIteration) as error:
                raise DatasetError(
                    f"{self.identity.reference}: episode {number} cannot be read: {error or 'it is missing'}",
                    "the files look damaged: get the dataset again",
                ) from error
            if episode is not None:
                yield episode

    def _checked(self, raw: StoredEpisode) -> Episode | None:
        self.score.add(raw.rewards, raw.success)
        try:
            observations = select(raw.observations, self._numbers, leading=1)  # (T+1, D)
            images = self._cameras.images(raw.observations, leading=1) if self._cameras else None
        except UsageError as error:
            raise DatasetError(f"episode {raw.number}: {error.message}", error.hint) from error
        checked = self._checker.check(raw.number, observations, raw.actions, images)
        return None if checked is None else replace(checked, scene=raw.scene)


def _bounds(section: ExtractSection, source: Episodes, reference: str) -> ActionBounds:
    """Return the bounds of the recipe, else those of the dataset.

    The dataset is always asked, since it refuses actions that are not continuous.
    """
    known, size = source.action_bounds(), source.action_dim()
    given = section.action_bounds or known
    if given is None:
        raise DatasetError(f"{reference} does not say the bounds of its actions", _BOUNDS_HINT)
    try:
        return action_bounds(given[0], given[1], size)
    except DatasetError as error:
        raise DatasetError(f"{reference}: {error.message}", error.hint or _BOUNDS_HINT) from error


_BOUNDS_HINT = "give them with --set 'extract.action_bounds=[-1, 1]' or in the recipe"
