"""Demonstrations of a recipe: checked episodes from any source, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from spirl_cli.demos.dataset import Episodes, StoredEpisode
from spirl_cli.demos.episode import ActionBounds, Episode, check_episode
from spirl_cli.demos.identity import DatasetIdentity
from spirl_cli.errors import DatasetError, SpirlError, UsageError
from spirl_cli.observation import select
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.settings import WHOLE_OBSERVATION


class Demonstrations:
    """The episodes that a recipe asks for; iterating reads one after the other into memory.

    Attributes:
        identity: identity and size of the whole dataset.
        bounds: finite bounds of the actions.
        success_rate: share of the attempts that were good enough to be kept; None if every attempt is kept.
    """

    def __init__(
        self,
        section: ExtractSection,
        source: Episodes,
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
        """Return the number of episodes."""
        return min(self._limit, self.identity.episodes)

    def __iter__(self) -> Iterator[Episode]:
        """Yield the episodes in the order of the dataset.

        Raises:
            DatasetError: an episode is wrong or unreadable; the message has its number.
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

    def _checked(self, raw: StoredEpisode) -> Episode:
        try:
            observations = select(raw.observations, self._parts, leading=1)  # (T+1, D)
        except UsageError as error:
            raise DatasetError(f"episode {raw.number}: {error.message}", error.hint) from error
        return replace(check_episode(raw.number, observations, raw.actions, self.bounds), scene=raw.scene)


def _bounds(section: ExtractSection, source: Episodes, reference: str) -> ActionBounds:
    """Return the bounds of the recipe, else those of the dataset.

    The dataset is always asked, since it refuses actions that are not continuous.
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
