"""Seeds of an evaluation: all randomness follows from its seed and an episode's number."""

from __future__ import annotations

import numpy as np

# Makes an evaluation's episodes differ from those of training with the same seed.
ENVIRONMENT_STREAM, POLICY_STREAM = 1, 2


def environment_seed(seed: int) -> int:
    """Return the seed of the sequence of environment episodes (see `ReplayableEnv`)."""
    return int(np.random.SeedSequence([seed, ENVIRONMENT_STREAM]).generate_state(1)[0])


def episode_generator(seed: int, episode: int) -> np.random.Generator:
    """Return the generator of a policy's noise in one episode."""
    return np.random.default_rng(np.random.SeedSequence([seed, POLICY_STREAM, episode]))
