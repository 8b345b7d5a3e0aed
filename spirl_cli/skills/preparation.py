"""Shared parts of training skills and priors: seeds, standardisation, augmentation, checkpoints."""

from __future__ import annotations

import numpy as np
import torch

from spirl_cli.clips.reader import Clips
from spirl_cli.monitor.parts import Part, generator_part, module_part, numpy_generator_part, optimizer_part
from spirl_cli.recipe.sections.skills import Augmentation, TrainSkillsSection
from spirl_cli.skills.augmentation import Augmenter, needs_spread
from spirl_cli.skills.networks import ActionScale, Normalizer

STILL = 0.02  # of the lower quartile of all spreads
FAR = 5.0  # standard deviations of the actions, beyond which a bound tells nothing about them
VALIDATION_WINDOWS = 2048  # largest number, evenly spread over the validation episodes


def random_streams(seed: int) -> tuple[np.random.Generator, torch.Generator, torch.Generator]:
    """Make generators for windows, samples and augmentation; seed torch's generator for initial weights."""
    weights, draws, samples, noise = np.random.SeedSequence(seed).generate_state(4)
    torch.manual_seed(int(weights))
    return (
        np.random.default_rng(int(draws)),
        torch.Generator().manual_seed(int(samples)),
        torch.Generator().manual_seed(int(noise)),
    )


def make_normalizer(section: TrainSkillsSection, clips: Clips) -> Normalizer:
    """Return a recipe's standardisation, computed from the training episodes."""
    if not section.normalize:
        return Normalizer.identity(clips.observation_dim)
    mean, std = clips.statistics()
    if section.units != "scaled":
        return Normalizer(torch.from_numpy(mean), torch.from_numpy(std))
    return Normalizer(torch.from_numpy(mean), torch.from_numpy(std), smallest_spread(std))


def smallest_spread(std: np.ndarray) -> float:
    """Return the spread below which a number of the state counts as still, in the units of the others.

    Args:
        std: `(D,)` standard deviations; a number that never moves has 0.
    """
    moving = std[std > 0]
    return STILL * float(np.quantile(moving, 0.25)) if len(moving) else 1.0


def make_action_scale(section: TrainSkillsSection, clips: Clips) -> ActionScale | None:
    """Return the units in which actions are learned: of their bounds, or of their spread where these are far away."""
    if section.units != "scaled":
        return None
    low, high = clips.action_low, clips.action_high
    mean, spread = clips.action_statistics()
    half = (high - low) / 2
    far = (spread > 0) & (half > FAR * spread)
    centre = np.where(far, mean, (low + high) / 2)
    return ActionScale(torch.from_numpy(centre), torch.from_numpy(np.where(far, FAR * spread, half)))


class StatePool:
    """The states at some rows of clips, gathered when they are asked for: clips may be larger than memory.

    Args:
        clips: the clips.
        rows: `(N,)` of them.
    """

    def __init__(self, clips: Clips, rows: np.ndarray) -> None:
        self._clips, self._rows = clips, rows

    @property
    def shape(self) -> tuple[int, int]:
        """Return N and D."""
        return len(self._rows), self._clips.observation_dim

    def __len__(self) -> int:
        """Return N."""
        return len(self._rows)

    def __getitem__(self, numbers: torch.Tensor, /) -> torch.Tensor:
        """Return the states of these numbers `(B,)`, as float32 `(B, D)`."""
        return torch.from_numpy(self._clips.states(self._rows[numbers.numpy()])).float()


def make_augmenter(section: Augmentation, clips: Clips, generator: torch.Generator) -> Augmenter:
    """Return an augmenter that draws swapped states from the starts of the training windows."""
    none = torch.zeros(1, clips.observation_dim)
    pool = StatePool(clips, clips.starts("train")) if section.swap_groups else none
    low, high = torch.from_numpy(clips.action_low), torch.from_numpy(clips.action_high)
    _, spread = clips.statistics() if needs_spread(section) else (None, np.ones(clips.observation_dim, np.float32))
    return Augmenter(section, pool, low, high, generator, torch.from_numpy(spread))


def training_parts(
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    *generators: torch.Generator,
) -> tuple[Part, ...]:
    """Return weights, optimiser and random states as parts of a checkpoint."""
    return (
        module_part("model", module),
        optimizer_part("optimizer", optimizer),
        numpy_generator_part("windows", rng),
        *(generator_part(f"generator{index}", generator) for index, generator in enumerate(generators)),
    )
