"""Random windows of training clips, as tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spirl_cli.clips import Clips, Split


class WindowSampler:
    """Draws start positions of windows, uniformly over windows or (parity) over episodes first.

    Args:
        clips: the clip dataset.
        split: "train" or "validation".
        sampling: "windows", or "episodes" as the authors do, where steps of short episodes count more.
        rng: the source of randomness; its state belongs to the checkpoint.
    """

    def __init__(self, clips: Clips, split: Split, sampling: str, rng: np.random.Generator) -> None:
        self.rng = rng
        self.starts = clips.starts(split)
        self.by_episode: list[NDArray[np.int64]] | None = None
        if sampling == "episodes":
            episodes = clips.episode_of(self.starts)
            boundaries = np.flatnonzero(np.diff(episodes)) + 1
            self.by_episode = np.split(self.starts, boundaries)

    def indices(self, batch_size: int) -> NDArray[np.int64]:
        """(B,) positions within ``starts``, for windows drawn uniformly."""
        return self.rng.integers(len(self.starts), size=batch_size)

    def draw(self, batch_size: int) -> NDArray[np.int64]:
        """(B,) start positions."""
        if self.by_episode is None:
            return self.starts[self.indices(batch_size)]
        chosen = self.rng.integers(len(self.by_episode), size=batch_size)
        return np.array([self.rng.choice(self.by_episode[episode]) for episode in chosen])


def windows(clips: Clips, starts: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """States (B, H, D) in which the actions (B, H, A) of the windows were taken."""
    observations, actions = clips.windows(starts)
    return torch.from_numpy(observations[:, :-1]), torch.from_numpy(actions)
