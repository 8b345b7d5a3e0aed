"""A small learner and batches, for tests of reinforcement learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.envs.vector import make_vector
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.loop import SkillLearning
from spirl_cli.rl.replay import Batch, Replay
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


class Decoder:
    """Skills of three steps whose action is the first number of z."""

    latent_dim, horizon = LATENT, 3

    def begin(self, latent: np.ndarray) -> None:
        self.action = latent[:1]

    def act(self, observation: np.ndarray) -> np.ndarray:
        return self.action


PENDULUM = GymnasiumSection(kind="gymnasium", id="Pendulum-v1", episode_length=25)


def make_learning(**changes: Any) -> SkillLearning:
    settings = {"warmup_steps": 30, "updates_per_step": 0.5, "environments": 2, **changes}
    sac = make_sac(state_dim=3, **settings)
    vector = make_vector(PENDULUM, Decoder(), 2, seed=7, processes=False)
    return SkillLearning(sac.section, sac, vector, Replay(1000, 3, LATENT), np.random.default_rng(0))
