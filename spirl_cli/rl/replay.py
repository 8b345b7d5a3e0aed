"""Replay memory of skill transitions, saved as immutable segments.

A transition of a 30-d state and a 10-d skill takes 288 bytes in memory and on disk. Successive transitions share
images, which adds about one uint8 image per skill step.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spirl_cli.errors import ArtifactError
from spirl_cli.payload import REPLAY_FILES, replay_end, replay_file
from spirl_cli.rl.image_store import ImageStore, Pixels
from spirl_cli.seals import remove_sealed, written_sealed

Array = NDArray[np.float32]
Slots = NDArray[np.int64]


class Batch(NamedTuple):
    """Transitions (s, z, R, s', done): observations `(B, D+P)` of states and images, latents `(B, K)`, the rest `(B,)`.

    `returns` `(B,)` are the discounted returns of the rest of the episode, if the memory keeps them. `priors` and
    `next_priors` `(B, M)` are what the memory noted of s and s', if it notes anything.
    """

    states: Tensor
    latents: Tensor
    rewards: Tensor
    next_states: Tensor
    terminals: Tensor
    returns: Tensor | None = None
    priors: Tensor | None = None
    next_priors: Tensor | None = None

    def to(self, device: str) -> Batch:
        """Move the batch to another device."""
        return self._replace(**{name: part.to(device) for name, part in self._asdict().items() if part is not None})


class Segment(NamedTuple):
    """Consecutive transitions: rows `(n, ...)`, images `(m, P)` if any, and indices of each row's images `(n, 2)`."""

    first: int
    rows: Array
    images: Pixels
    shown: Slots


class Replay:
    """A ring of the last `capacity` transitions, float32, in one row-major array.

    Args:
        capacity: number of transitions kept.
        state_dim: D.
        latent_dim: K.
        pixels: P, number of pixels (integers in 0..255) after the state in an observation.
        rewarded_share: share of a batch that is drawn from transitions with positive returns, as far as there are any;
            transitions then need returns. None draws uniformly.
        note: returns M numbers `(N, M)` of states `(N, D)` that never change, so that they are computed once for each
            transition and not in each batch that holds it. They are in memory only.

    Memory grows in blocks as transitions arrive, so a short run of a large capacity stays small.
    """

    BLOCK = 1024

    def __init__(
        self,
        capacity: int,
        state_dim: int,
        latent_dim: int,
        pixels: int = 0,
        rewarded_share: float | None = None,
        note: Callable[[Array], Array] | None = None,
    ) -> None:
        self.capacity, self.state_dim, self.latent_dim = capacity, state_dim, latent_dim
        self.rewarded_share = rewarded_share
        self._sizes = [state_dim, latent_dim, 1, state_dim, 1, *((1,) if rewarded_share else ())]  # of a row's parts
        self.rows = np.empty((0, sum(self._sizes)), np.float32)
        self._note = note
        self.notes = np.empty((0, 2, 0), np.float32)  # of s and s', (n, 2, M)
        self.images = ImageStore(pixels)
        self.shown: Slots = np.empty((0, 2 if pixels else 0), np.int64)  # slots of the images of s and s'
        self.added = 0  # number of transitions ever added
        self.saved = 0  # of them, the number in segments on disk
        self.segments: list[str] = []
        self.digests: dict[str, str] = {}  # their checksums
        self._listed: deque[list[str]] = deque(maxlen=3)  # by the last checkpoints and the one that comes

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    @property
    def rewards(self) -> Array:
        """The rewards `(N,)` of all transitions that are kept."""
        return self.rows[: len(self), self.state_dim + self.latent_dim]

    @property
    def bytes_per_transition(self) -> int:
        """Memory of one transition, without the images."""
        kept = (self.rows, self.shown, self.notes)
        return sum(math.prod(array.shape[1:]) * array.itemsize for array in kept)

    def add(
        self,
        states: Array,
        latents: Array,
        rewards: Array,
        next_states: Array,
        terminals: Array,
        returns: Array | None = None,
    ) -> None:
        """Append N transitions, one per environment: (N, D+P), (N, K), (N,), (N, D+P), (N,) of zeros and ones, (N,)."""
        numbers = slice(None, self.state_dim)
        columns = [states[:, numbers], latents, rewards[:, None], next_states[:, numbers], terminals[:, None]]
        columns += [] if returns is None else [returns[:, None]]
        shown = self._store_images(states[:, self.state_dim :], next_states[:, self.state_dim :])
        self._append(np.concatenate(columns, axis=1, dtype=np.float32), shown)

    def _store_images(self, images: Array, next_images: Array) -> Slots:
        """Store images `(N, P)` of both states and return their slots `(N, 2)`.

        An environment's last transition lies N rows back. If it ended with the first image of the new transition, the
        two share this image.
        """
        count = len(images)
        shown = np.empty((count, self.shown.shape[1]), np.int64)
        for index in range(count if self.images.pixels else 0):
            image, last = images[index].astype(np.uint8), self.added - count + index
            known = int(self.shown[last % self.capacity, 1]) if last >= 0 and count <= self.capacity else -1
            shared = known >= 0 and np.array_equal(self.images[known], image)
            shown[index, 0] = self.images.use(known) if shared else self.images.add(image)
            shown[index, 1] = self.images.add(next_images[index].astype(np.uint8))
        return shown

    def _append(self, rows: Array, shown: Slots) -> None:
        self._grow(min(self.capacity, self.added + len(rows)))
        slots = (self.added + np.arange(len(rows))) % self.capacity
        old = self.shown[slots]
        self.images.release(old[old >= 0].tolist())
        self.rows[slots], self.shown[slots] = rows, shown
        if self._note is not None:
            self._take_notes(slots, self._note)
        self.added += len(rows)

    def _take_notes(self, slots: Slots, note: Callable[[Array], Array]) -> None:
        """Note what belongs to both states of the transitions in these slots."""
        parts = np.split(self.rows[slots], np.cumsum(self._sizes)[:-1], axis=1)
        noted = np.stack([note(parts[0]), note(parts[3])], axis=1)  # (N, 2, M)
        if len(self.notes) < len(self.rows):
            self.notes = _longer(self.notes, (len(self.rows), *noted.shape[1:]), 0.0)
        self.notes[slots] = noted

    def _grow(self, needed: int) -> None:
        if needed > len(self.rows):
            size = min(self.capacity, max(needed, len(self.rows) + max(self.BLOCK, len(self.rows) // 4)))
            self.rows = _longer(self.rows, (size, self.rows.shape[1]), 0.0)
            self.shown = _longer(self.shown, (size, self.shown.shape[1]), -1)  # no image yet

    def sample(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """Draw a batch with replacement, uniformly but for the share of rewarded transitions."""
        drawn = self._draw(batch_size, rng)
        rows = torch.from_numpy(self.rows[drawn])
        states, latents, rewards, next_states, terminals, *returns = rows.split(self._sizes, dim=1)
        if self.images.pixels:
            states, next_states = (
                self._with_images(part, self.shown[drawn, index]) for index, part in enumerate((states, next_states))
            )
        numbers = (column.squeeze(1) for column in returns)
        batch = Batch(states, latents, rewards.squeeze(1), next_states, terminals.squeeze(1), *numbers)
        if self._note is None:
            return batch
        priors, next_priors = torch.from_numpy(self.notes[drawn]).unbind(1)
        return batch._replace(priors=priors, next_priors=next_priors)

    def _draw(self, batch_size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        drawn = rng.integers(len(self), size=batch_size)
        rewarded = np.flatnonzero(self.rows[: len(self), -1] > 0) if self.rewarded_share else ()
        if self.rewarded_share and len(rewarded):
            share = round(self.rewarded_share * batch_size)
            drawn[:share] = rng.choice(rewarded, size=share)
        return drawn

    def _with_images(self, states: Tensor, slots: Slots) -> Tensor:
        """Join states `(B, D)` and the images in slots `(B,)` to observations `(B, D+P)`."""
        observations = np.empty((len(slots), self.state_dim + self.images.pixels), np.float32)
        observations[:, : self.state_dim] = states.numpy()
        for row, slot in zip(observations, slots.tolist(), strict=True):
            row[self.state_dim :] = self.images[slot]
        return torch.from_numpy(observations)

    def save(self, folder: Path) -> list[str]:
        """Write what was added since the last save as a new segment; returns the names of all that count.

        A segment is written and renamed once and never touched again: the checkpoint that lists
        it, with its checksum in `digests`, decides whether it counts. One whose transitions are all
        overwritten is listed no more.
        """
        first = max(self.saved, self.added - self.capacity)
        if self.added > first:
            name = replay_file(first, self.added)
            slots = np.arange(first, self.added) % self.capacity
            used, shown = np.unique(self.shown[slots], return_inverse=True)
            images = np.empty((len(used), self.images.pixels), np.uint8)
            for image, slot in zip(images, used.tolist(), strict=True):
                image[:] = self.images[slot]
            segment = Segment(first, self.rows[slots], images, shown.reshape(len(slots), -1))
            self.digests[name] = _write_segment(folder / name, segment)
            self.segments.append(name)
            self.saved = self.added
        oldest = self.added - self.capacity
        self.segments = [name for name in self.segments if replay_end(name) > oldest]
        self.digests = {name: self.digests[name] for name in self.segments if name in self.digests}
        self._forget_overwritten(folder)
        return list(self.segments)

    def _forget_overwritten(self, folder: Path) -> None:
        """Delete the segments that neither this checkpoint nor one of the two before it lists: two are kept."""
        if not self._listed or self._listed[-1] != self.segments:
            self._listed.append(list(self.segments))
        if len(self._listed) == self._listed.maxlen:
            needed = {name for names in self._listed for name in names}
            for path in folder.glob(REPLAY_FILES):
                if path.name not in needed:
                    remove_sealed(path)

    def restore(self, folder: Path, segments: list[str], digests: Mapping[str, str] | None = None) -> None:
        """Read the segments that a checkpoint lists, in order.

        Args:
            folder: where they lie.
            segments: their names.
            digests: checksums by name; the first checkpoints did not have them.

        Raises:
            ArtifactError: a segment is missing or damaged.
        """
        self.added = self.saved = 0
        self.images, self.shown = ImageStore(self.images.pixels), np.full_like(self.shown, -1)
        self.digests = dict(digests or {})
        for name in segments:
            segment = _read_segment(folder / name, self.digests.get(name))
            slots = np.array([self.images.add(image) for image in segment.images], np.int64)
            for slot in segment.shown.ravel().tolist():
                self.images.use(int(slots[slot]))
            self.images.release(slots.tolist())  # `add` counted a use of its own
            self.added = segment.first
            self._append(segment.rows, slots[segment.shown])
        self.saved, self.segments = self.added, list(segments)
        self._listed.clear()


def _longer(array: np.ndarray, shape: tuple[int, ...], fill: float) -> np.ndarray:
    """Return a copy with more rows, which hold `fill`."""
    copied = np.full(shape, fill, array.dtype)
    copied[: len(array)] = array.reshape(len(array), *shape[1:])
    return copied


def _read_segment(path: Path, digest: str | None) -> Segment:
    try:
        if digest is not None and _digest(path) != digest:
            raise ArtifactError(f"{path} is corrupt: its content does not match its checksum")
        with h5py.File(path, "r") as file:
            first, rows = int(file.attrs["first"]), file["transitions"][:]
            if "images" not in file:
                return Segment(first, rows, np.empty((0, 0), np.uint8), np.empty((len(rows), 0), np.int64))
            return Segment(first, rows, file["images"][:], file["shown"][:])
    except (OSError, KeyError) as error:
        raise ArtifactError(f"{path} is missing or damaged ({error})") from error


def _write_segment(path: Path, segment: Segment) -> str:
    """Write a segment; return its checksum."""
    size = segment.rows.nbytes + segment.images.nbytes + segment.shown.nbytes
    with written_sealed(path, size) as temporary:
        with h5py.File(temporary, "w") as file:
            file.create_dataset("transitions", data=segment.rows)
            if len(segment.images):
                file.create_dataset("images", data=segment.images, compression="lzf")
                file.create_dataset("shown", data=segment.shown)
            file.attrs["first"] = segment.first
        return _digest(temporary)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
