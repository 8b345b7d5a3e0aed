"""What a transition takes in the replay memory."""

from __future__ import annotations

import tracemalloc

import numpy as np

from spirl_cli.benchmarks.data import STATE_DIM
from spirl_cli.benchmarks.figure import Figure
from spirl_cli.recipe.load import load_recipe
from spirl_cli.rl.replay import Replay

LIMIT = 700  # bytes
TRANSITIONS = 100_000
AT_ONCE = 4  # transitions of a round


def measure(transitions: int = TRANSITIONS) -> list[Figure]:
    """Fill a kitchen replay memory as a run does, and ask Python what it holds and held at most."""
    recipe = load_recipe("kitchen")
    latent_dim = recipe.train_skills.latent_dim
    states = np.zeros((AT_ONCE, STATE_DIM), np.float32)
    latents, rewards = np.zeros((AT_ONCE, latent_dim), np.float32), np.zeros(AT_ONCE, np.float32)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        replay = Replay(recipe.train_rl.replay_capacity, STATE_DIM, latent_dim)
        for _ in range(transitions // AT_ONCE):
            replay.add(states, latents, rewards, states, rewards)
        after, peak = (value - before for value in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    stored = len(replay)
    return [
        Figure(
            name="replay memory",
            value=after / stored,
            unit="bytes per skill step",
            limit=LIMIT,
            bound="at most",
            detail=f"{replay.bytes_per_transition} in a row, {peak / stored:.0f} at the peak, while memory grows",
            parts={"row_bytes": replay.bytes_per_transition, "peak_bytes": peak / stored, "transitions": stored},
        )
    ]
