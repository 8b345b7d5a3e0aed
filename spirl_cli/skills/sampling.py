"""Random windows of clips, and their observations, as tensors."""

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
        sampling: "windows", or "episodes" as in the authors' code, which gives steps of short episodes more weight.
        rng: random generator; its state belongs to the checkpoint.
    """

    def __init__(self, clips: Clips, split: Split, sampling: str, rng: np.random.Generator) -> None:
        self.rng = rng
        self.starts = clips.starts(split)
        self.by_episode = sampling == "episodes"
        # for each episode, the index of its first window among the starts, and its number of windows
        _, self.first, self.count = np.unique(clips.episode_of(self.starts), return_index=True, return_counts=True)

    def draw(self, batch_size: int) -> NDArray[np.int64]:
        """Draw start positions `(B,)`."""
        if not self.by_episode:
            return self.starts[self.rng.integers(len(self.starts), size=batch_size)]
        episodes = self.rng.integers(len(self.first), size=batch_size)
        return self.starts[self.first[episodes] + self.rng.integers(self.count[episodes])]


def windows(clips: Clips, starts: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return the actions `(B, H, A)` of the windows, and the states `(B, H, D)` before them."""
    observations, actions = clips.windows(starts)
    return torch.from_numpy(observations[:, :-1]), torch.from_numpy(actions)


def window_rows(starts: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """Return the rows `(B, H)` of the windows that begin at these rows `(B,)`."""
    return starts[:, None] + np.arange(horizon)


def add_images(states: Tensor, clips: Clips, rows: NDArray[np.int64]) -> Tensor:
    """Return observations `(..., D+P)`: states `(..., D)`, which may be augmented, and the images at rows (...)."""
    images = torch.from_numpy(clips.images(rows)).flatten(rows.ndim)  # (..., P) uint8
    return torch.cat([states, images.to(states.dtype)], dim=-1)


def spread(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most `count` of the values, evenly spread."""
    if len(values) <= count:
        return values
    return values[np.linspace(0, len(values) - 1, count).astype(int)]
