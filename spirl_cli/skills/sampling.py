"""Random windows of training clips, and observations in them, as tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spirl_cli.clips.reader import Clips, Split


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
        self.by_episode = sampling == "episodes"
        # where the windows of each episode begin among the starts, and how many there are
        _, self.first, self.count = np.unique(clips.episode_of(self.starts), return_index=True, return_counts=True)

    def draw(self, batch_size: int) -> NDArray[np.int64]:
        """(B,) start positions."""
        if not self.by_episode:
            return self.starts[self.rng.integers(len(self.starts), size=batch_size)]
        episodes = self.rng.integers(len(self.first), size=batch_size)
        return self.starts[self.first[episodes] + self.rng.integers(self.count[episodes])]


def windows(clips: Clips, starts: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """States (B, H, D) in which the actions (B, H, A) of the windows were taken."""
    observations, actions = clips.windows(starts)
    return torch.from_numpy(observations[:, :-1]), torch.from_numpy(actions)


def window_rows(starts: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """Rows (B, H) of the steps of windows that begin at these (B,)."""
    return starts[:, None] + np.arange(horizon)


def add_images(states: Tensor, clips: Clips, rows: NDArray[np.int64]) -> Tensor:
    """Observations (..., D+P): the states (..., D), which may be augmented, and the images at these rows (...)."""
    images = torch.from_numpy(clips.images(rows)).flatten(rows.ndim)  # (..., P) uint8
    return torch.cat([states, images.to(states.dtype)], dim=-1)


def spread(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most ``count`` of the values, evenly spread."""
    if len(values) <= count:
        return values
    return values[np.linspace(0, len(values) - 1, count).astype(int)]
