"""State augmentation of training windows.

Demonstrations cover a thin tube of states; a decoder that has seen only that tube fails as soon as
it leaves it. Two remedies, both acting on the states of a window (never on the stored data):

* *state noise* with, if asked, actions corrected so that they lead back: where an action sets the
  velocity towards a position target, a displacement e asks for −gain·e more;
* *swapping untouched objects*: a group of state dimensions that does not move within the window
  takes its value from another step of the data, so that skills and prior do not depend on what
  has been done already.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from spirl_cli.recipe.sections.skills import Augmentation
from spirl_cli.settings import expand_indices


class Pool(Protocol):
    """States to draw from, (N, D): a tensor, or something that gathers the rows that are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return N and D."""
        ...

    def __len__(self) -> int:
        """Return N."""
        ...

    def __getitem__(self, numbers: Tensor, /) -> Tensor:
        """Return the states of these numbers (B,), as (B, D)."""
        ...


class Augmenter:
    """Applies a recipe's `augmentation` to windows, with its own random generator.

    Args:
        section: the recipe's settings.
        pool: (N, D) states that swapped objects are drawn from (training episodes).
        action_low, action_high: (A,) bounds that corrected actions are clipped to.
        generator: source of all randomness here.
    """

    def __init__(
        self,
        section: Augmentation,
        pool: Pool,
        action_low: Tensor,
        action_high: Tensor,
        generator: torch.Generator,
    ) -> None:
        size = pool.shape[1]
        self.section = section
        self.pool = pool
        self.action_low, self.action_high = action_low, action_high
        self.generator = generator
        self.sigma = torch.zeros(size)
        for part in section.state_noise:
            self.sigma[expand_indices(part.indices, size)] = part.sigma
        self.noisy = self.sigma.nonzero().squeeze(-1)
        self.groups = [torch.tensor(expand_indices(group, size)) for group in section.swap_groups]
        self.corrected = expand_indices(section.correction_indices, size) if section.correction else []

    def __call__(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, D) states and (B, H, A) actions → augmented states, and actions that correct the noise."""
        clean = self.swap_untouched(states)
        states = self.add_noise(clean)
        if self.corrected:
            correction = self.section.correction * (states - clean)[..., self.corrected]
            actions = (actions - correction).clamp(self.action_low, self.action_high)
        return states, actions

    def states(self, states: Tensor) -> Tensor:
        """Augmented copy of (B, H, D) states, for what has no action to correct (the prior)."""
        return self.add_noise(self.swap_untouched(states))

    def add_noise(self, states: Tensor) -> Tensor:
        """One Gaussian displacement held over the window plus a smaller one drawn at each step."""
        if not len(self.noisy):
            return states
        batch, horizon, _ = states.shape
        held = torch.randn((batch, 1, len(self.noisy)), generator=self.generator)
        fresh = torch.randn((batch, horizon, len(self.noisy)), generator=self.generator)
        states = states.clone()
        states[..., self.noisy] += self.sigma[self.noisy] * (held + self.section.independent * fresh)
        return states

    def swap_untouched(self, states: Tensor) -> Tensor:
        """Replace objects that rest during the window by their state at random other steps."""
        if not self.groups or self.section.swap_windows == 0:
            return states
        states = states.clone()
        batch = states.shape[0]
        chosen = self._uniform(batch) < self.section.swap_windows
        for group in self.groups:
            values = states[:, :, group]
            moved = (values.amax(1) - values.amin(1)).amax(-1) > self.section.swap_tolerance
            swapped = chosen & ~moved & (self._uniform(batch) < self.section.swap_probability)
            source = torch.randint(len(self.pool), (batch,), generator=self.generator)
            offset = self.pool[source][:, group] - values[:, 0]
            states[:, :, group] = values + (offset * swapped.unsqueeze(-1)).unsqueeze(1)
        return states

    def _uniform(self, batch: int) -> Tensor:
        return torch.rand(batch, generator=self.generator)
