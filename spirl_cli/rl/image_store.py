"""Images of a replay memory; each is stored once for all transitions that show it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class ImageStore:
    """Images in numbered slots, with counts of uses; a slot without uses is reused.

    Memory grows in blocks that are never moved.

    Args:
        pixels: P, number of pixels of an image.
    """

    BLOCK = 64  # images per block

    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        self._blocks: list[Pixels] = []
        self._uses: list[int] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        """Return the number of stored images."""
        return len(self._uses) - len(self._free)

    def add(self, image: Pixels) -> int:
        """Store a copy of an image `(P,)` with one use; return its slot."""
        if self._free:
            slot = self._free.pop()
            self._uses[slot] = 1
        else:
            slot = len(self._uses)
            self._uses.append(1)
            if slot == len(self._blocks) * self.BLOCK:
                self._blocks.append(np.empty((self.BLOCK, self.pixels), np.uint8))
        self[slot][:] = image
        return slot

    def use(self, slot: int) -> int:
        """Count one more use of a slot; return the slot."""
        self._uses[slot] += 1
        return slot

    def release(self, slots: Iterable[int]) -> None:
        """Count one use less of each of these slots."""
        for slot in slots:
            self._uses[slot] -= 1
            if not self._uses[slot]:
                self._free.append(slot)

    def __getitem__(self, slot: int) -> Pixels:
        """Return the image `(P,)` in a slot, without copying it."""
        return self._blocks[slot // self.BLOCK][slot % self.BLOCK]
