"""Writes a Minari dataset of checked demonstrations; memory holds all of them until the last."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from spirl_cli.demos.saving.target import STATE, About, SavedEpisode


class MinariWriter:
    """Collects episodes for a local Minari dataset, whose spaces follow from the arrays.

    Args:
        dataset_id: such as `mine/swing-v0`.
        about: bounds of the actions.
    """

    def __init__(self, dataset_id: str, about: About) -> None:
        self._id, self._about = dataset_id, about
        self._episodes: list[SavedEpisode] = []

    def add(self, episode: SavedEpisode) -> None:
        """Keep an episode."""
        self._episodes.append(episode)

    def finish(self) -> None:
        """Write the dataset among the local ones."""
        from gymnasium.spaces import Box, Dict
        from minari import create_dataset_from_buffers
        from minari.data_collector import EpisodeBuffer

        def space(array: np.ndarray) -> Box:
            low, high = (0, 255) if array.dtype == np.uint8 else (-np.inf, np.inf)
            return Box(low, high, array.shape[1:], array.dtype.type)

        first = self._episodes[0].observations
        plain = set(first) == {STATE}
        spaces: Any = space(first[STATE]) if plain else Dict({name: space(array) for name, array in first.items()})
        buffers = []
        for number, episode in enumerate(self._episodes):
            steps = len(episode.actions)
            rewards = np.zeros(steps) if episode.rewards is None else episode.rewards
            ends = np.arange(steps) == steps - 1
            shown: Any = episode.observations[STATE] if plain else dict(episode.observations)
            buffers.append(EpisodeBuffer(number, None, None, shown, episode.actions, rewards, ends & False, ends))
        unknown = "" if self._episodes[0].rewards is not None else " Rewards are not known and stored as 0."
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about fields that describe an author, and that we do not know
            create_dataset_from_buffers(
                self._id,
                buffers,
                observation_space=spaces,
                action_space=Box(self._about.low, self._about.high, dtype=np.float32),
                algorithm_name="spirl",
                description=f"Demonstrations in {self._about.env}, written by `spirl demonstrations`.{unknown}",
                jpeg_encoding=False,
            )
