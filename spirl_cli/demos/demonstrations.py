"""Demonstrations of a recipe: checked episodes, one at a time, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from spirl_cli.demos.dataset import EpisodeSource, RawEpisode
from spirl_cli.demos.episode import ActionBounds, Episode, check_episode
from spirl_cli.demos.identity import DatasetIdentity
from spirl_cli.errors import DatasetError, SpirlError, UsageError
from spirl_cli.observation import select
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.settings import WHOLE_OBSERVATION


class Demonstrations:
    """The episodes that a recipe asks for; iterating streams them, memory holds one.

    Attributes:
        identity: which dataset, and how large all of it is.
        bounds: finite bounds of the actions.
        success_rate: share of the demonstrations made that were good enough to be kept; None where all are kept.
    """

    def __init__(
        self,
        section: ExtractSection,
        source: EpisodeSource,
        identity: DatasetIdentity,
        success_rate: float | None = None,
    ) -> None:
        self.identity, self.success_rate = identity, success_rate
        if self.identity.episodes == 0:
            raise DatasetError(f"{self.identity.reference} has no episodes")
        self.bounds = _bounds(section, source, self.identity.reference)
        self._source = source
        self._parts = section.observation or WHOLE_OBSERVATION
        self._limit = section.episodes or self.identity.episodes

    def __len__(self) -> int:
        """Return the number of episodes that iterating yields."""
        return min(self._limit, self.identity.episodes)

    @property
    def notes(self) -> list[str]:
        """Sentences on what was found and mended in a stored dataset; complete after iterating."""
        return list(getattr(self._source, "notes", ()))  # demonstrations that are generated have none

    def __iter__(self) -> Iterator[Episode]:
        """Yield the episodes in the order of the dataset.

        Raises:
            DatasetError: an episode is refused (its number is in the message) or unreadable.
        """
        episodes = self._source.episodes()
        for number in range(len(self)):
            try:
                yield self._checked(next(episodes))
            except SpirlError as error:
                raise DatasetError(f"{self.identity.reference}: {error.message}", error.hint) from error
            except (OSError, KeyError, ValueError, RuntimeError, StopIteration) as error:
                raise DatasetError(
                    f"{self.identity.reference}: episode {number} cannot be read: {error or 'it is missing'}",
                    "the files look damaged: get the dataset again",
                ) from error

    def _checked(self, raw: RawEpisode) -> Episode:
        try:
            observations = select(raw.observations, self._parts, leading=1)  # (T+1, D)
        except UsageError as error:
            raise DatasetError(f"episode {raw.number}: {error.message}", error.hint) from error
        return replace(check_episode(raw.number, observations, raw.actions, self.bounds), scene=raw.scene)


def _bounds(section: ExtractSection, source: EpisodeSource, reference: str) -> ActionBounds:
    """Return the recipe's bounds, else the dataset's.

    The dataset is asked in any case: it refuses what is not continuous.
    """
    known, size = source.action_bounds(), source.action_dim()
    if section.action_bounds is not None:
        low, high = (np.full(size, value, np.float32) for value in section.action_bounds)
    elif known is not None:
        low, high = known
    else:
        raise DatasetError(f"{reference} does not say the bounds of its actions", _BOUNDS_HINT)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise DatasetError(f"{reference}: the action bounds {_short(low)} to {_short(high)} are no range", _BOUNDS_HINT)
    return ActionBounds(low, high)


_BOUNDS_HINT = "give them with --set 'extract.action_bounds=[-1, 1]' or in the recipe"


def _short(values: np.ndarray) -> str:
    return np.array2string(values, precision=4, threshold=8)
