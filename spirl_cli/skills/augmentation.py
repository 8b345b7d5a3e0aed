"""State augmentation of training windows.

Demonstrations cover a thin tube of states. A decoder that has seen only that tube fails as soon as it leaves it. There
are two remedies; both change the states of a window, never the stored data:

* *state noise*, optionally with corrected actions that lead back: if actions are velocities towards position targets, a
displacement e adds −gain·e to the action;
* *swapping untouched objects*: a group of state dimensions that does not move within the window
  takes its values from another step of the data, so that skills and prior do not depend on the objects that were moved
  before.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from spirl_cli.recipe.sections.skills import Augmentation
from spirl_cli.settings import expand_indices


class Pool(Protocol):
    """States to draw from, `(N, D)`: a tensor, or something that gathers the rows that are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return N and D."""
        ...

    def __len__(self) -> int:
        """Return N."""
        ...

    def __getitem__(self, numbers: Tensor, /) -> Tensor:
        """Return the states of these numbers `(B,)`, as `(B, D)`."""
        ...


class Augmenter:
    """Applies a recipe's `augmentation` to windows, with its own random generator.

    Args:
        section: the recipe's settings.
        pool: `(N, D)` states that swapped objects are drawn from (training episodes).
        action_low, action_high: `(A,)` bounds that corrected actions are clipped to.
        generator: source of all randomness here.
        spread: `(D,)` standard deviations of the state's numbers, of which noise may be a share.
    """

    def __init__(
        self,
        section: Augmentation,
        pool: Pool,
        action_low: Tensor,
        action_high: Tensor,
        generator: torch.Generator,
        spread: Tensor | None = None,
    ) -> None:
        size = pool.shape[1]
        spread = torch.ones(size) if spread is None else spread
        self.section = section
        self.pool = pool
        self.action_low, self.action_high = action_low, action_high
        self.generator = generator
        self.sigma = torch.zeros(size)
        for part in section.state_noise:
            chosen = expand_indices(part.indices, size)
            self.sigma[chosen] = spread[chosen] * _share(part.sigma) if isinstance(part.sigma, str) else part.sigma
        self.noisy = self.sigma.nonzero().squeeze(-1)
        self.groups = [torch.tensor(expand_indices(group, size)) for group in section.swap_groups]
        self.corrected = expand_indices(section.correction_indices, size) if section.correction else []

    def __call__(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return augmented states `(B, H, D)`, and actions `(B, H, A)` that correct the noise."""
        clean = self.swap_untouched(states)
        states = self.add_noise(clean)
        if self.corrected:
            correction = self.section.correction * (states - clean)[..., self.corrected]
            actions = (actions - correction).clamp(self.action_low, self.action_high)
        return states, actions

    def states(self, states: Tensor) -> Tensor:
        """Return augmented states `(B, H, D)`, for training without actions (the prior)."""
        return self.add_noise(self.swap_untouched(states))

    def add_noise(self, states: Tensor) -> Tensor:
        """Add one Gaussian displacement for the whole window, and a smaller one at each step."""
        if not len(self.noisy):
            return states
        batch, horizon, _ = states.shape
        held = torch.randn((batch, 1, len(self.noisy)), generator=self.generator)
        fresh = torch.randn((batch, horizon, len(self.noisy)), generator=self.generator)
        states = states.clone()
        states[..., self.noisy] += self.sigma[self.noisy] * (held + self.section.independent * fresh)
        return states

    def swap_untouched(self, states: Tensor) -> Tensor:
        """Replace the states of objects at rest in the window by their states at other random steps."""
        if not self.groups or self.section.swap_windows == 0:
            return states
        batch, first = len(states), states[:, 0]
        change = states.amax(1) - states.amin(1)  # (B, D)
        offset = torch.zeros_like(first)
        chosen = self._uniform(batch) < self.section.swap_windows
        for group in self.groups:
            moved = change[:, group].amax(-1) > self.section.swap_tolerance
            swapped = chosen & ~moved & (self._uniform(batch) < self.section.swap_probability)
            source = torch.randint(len(self.pool), (batch,), generator=self.generator)
            away = self.pool[source][:, group] - first[:, group]
            offset[:, group] = torch.where(swapped.unsqueeze(-1), away, offset[:, group])
        return states + offset.unsqueeze(1)

    def _uniform(self, batch: int) -> Tensor:
        return torch.rand(batch, generator=self.generator)


def needs_spread(section: Augmentation) -> bool:
    """Say whether some noise is a share of the spread of what it disturbs."""
    return any(isinstance(part.sigma, str) for part in section.state_noise)


def _share(text: str) -> float:
    """Read `3%` as 0.03."""
    return float(text.rstrip("%")) / 100
