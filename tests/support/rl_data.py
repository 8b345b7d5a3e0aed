"""A small learner and batches, for tests of reinforcement learning."""

from __future__ import annotations

from typing import Any

import torch

from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.replay import Batch
from spirl_cli.rl.sac import SAC
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, PriorShape

STATE, LATENT, BATCH = 4, 2, 8


def make_sac(seed: int = 0, state_dim: int = STATE, latent_dim: int = LATENT, **changes: Any) -> SAC:
    """Return a small learner; changes are settings of `train_rl`."""
    torch.manual_seed(seed)
    normalizer = Normalizer(torch.zeros(state_dim), torch.ones(state_dim))
    prior = GaussianNetwork(normalizer, PriorShape(latent_dim, width=16, depth=1))
    section = TrainRLSection.model_validate({"critic_width": 16, "batch_size": BATCH, **changes})
    return SAC(section, prior, latent_dim, torch.Generator().manual_seed(seed))


def make_batch(terminal: float = 0.0, reward: float = 1.0) -> Batch:
    """Return a batch of random transitions, all with the same reward and the same end."""
    generator = torch.Generator().manual_seed(1)
    states, next_states = torch.randn(2, BATCH, STATE, generator=generator)
    latents = torch.randn(BATCH, LATENT, generator=generator)
    return Batch(states, latents, torch.full((BATCH,), reward), next_states, torch.full((BATCH,), terminal))
