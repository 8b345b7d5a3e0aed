"""Replay memory of skill transitions, saved as immutable segments.

A transition of a 30-d state and a 10-d skill takes 288 bytes in memory and on disk.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spirl_cli.errors import ArtifactError

Array = NDArray[np.float32]


class Batch(NamedTuple):
    """Transitions (s, z, R, s', done): states (B, D), latents (B, K), the rest (B,)."""

    states: Tensor
    latents: Tensor
    rewards: Tensor
    next_states: Tensor
    terminals: Tensor


class Replay:
    """A ring of the last ``capacity`` transitions, float32, in one row-major array.

    Args:
        capacity: transitions kept.
        state_dim: D.
        latent_dim: K.

    Memory grows in blocks as transitions arrive, so a short run of a large capacity stays small.
    """

    BLOCK = 4096

    def __init__(self, capacity: int, state_dim: int, latent_dim: int) -> None:
        self.capacity, self.state_dim, self.latent_dim = capacity, state_dim, latent_dim
        self.rows = np.empty((0, 2 * state_dim + latent_dim + 2), np.float32)
        self.added = 0  # transitions ever added
        self.saved = 0  # of which are in segments on disk
        self.segments: list[str] = []

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    @property
    def bytes_per_transition(self) -> int:
        """Memory of one transition."""
        return self.rows.shape[1] * self.rows.itemsize

    def add(self, states: Array, latents: Array, rewards: Array, next_states: Array, terminals: Array) -> None:
        """Append N transitions: (N, D), (N, K), (N,), (N, D), (N,) of zeros and ones."""
        columns = [states, latents, rewards[:, None], next_states, terminals[:, None]]
        self._append(np.concatenate(columns, axis=1, dtype=np.float32))

    def _append(self, rows: Array) -> None:
        self._grow(min(self.capacity, self.added + len(rows)))
        slots = (self.added + np.arange(len(rows))) % self.capacity
        self.rows[slots] = rows
        self.added += len(rows)

    def _grow(self, needed: int) -> None:
        if needed > len(self.rows):
            size = min(self.capacity, max(needed, len(self.rows) + max(self.BLOCK, len(self.rows) // 4)))
            grown = np.empty((size, self.rows.shape[1]), np.float32)
            grown[: len(self.rows)] = self.rows
            self.rows = grown

    def sample(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """A uniform batch, with replacement."""
        rows = torch.from_numpy(self.rows[rng.integers(len(self), size=batch_size)])
        sizes = [self.state_dim, self.latent_dim, 1, self.state_dim, 1]
        states, latents, rewards, next_states, terminals = rows.split(sizes, dim=1)
        return Batch(states, latents, rewards.squeeze(1), next_states, terminals.squeeze(1))

    def save(self, folder: Path) -> list[str]:
        """Write what was added since the last save as a new segment; returns all segments' names.

        A segment is written and renamed once and never touched again: the checkpoint that lists
        it decides whether it counts.
        """
        first = max(self.saved, self.added - self.capacity)
        if self.added > first:
            name = f"replay-{first:09d}-{self.added:09d}.h5"
            slots = np.arange(first, self.added) % self.capacity
            _write_segment(folder / name, self.rows[slots], first)
            self.segments.append(name)
            self.saved = self.added
        return list(self.segments)

    def restore(self, folder: Path, segments: list[str]) -> None:
        """Read the segments that a checkpoint lists, in order.

        Raises:
            ArtifactError: one is missing or damaged.
        """
        self.added = self.saved = 0
        for name in segments:
            first, rows = _read_segment(folder / name)
            self.added = first
            self._append(rows)
        self.saved, self.segments = self.added, list(segments)


def _read_segment(path: Path) -> tuple[int, Array]:
    try:
        with h5py.File(path, "r") as file:
            return int(file.attrs["first"]), file["transitions"][:]
    except (OSError, KeyError) as error:
        raise ArtifactError(f"{path} is missing or damaged ({error})") from error


def _write_segment(path: Path, rows: Array, first: int) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with h5py.File(temporary, "w") as file:
        file.create_dataset("transitions", data=rows)
        file.attrs["first"] = first
    with open(temporary, "rb") as handle:
        os.fsync(handle.fileno())
    os.replace(temporary, path)
