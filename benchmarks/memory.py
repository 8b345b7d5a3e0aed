"""Memory of a transition in the replay memory, without and with images."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import STATE_DIM
from benchmarks.measurement import Measurement
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.sections.skills import ImageEncoderSection
from spirl_cli.rl.replay import Replay

LIMIT, IMAGE_LIMIT = 700, 7000  # bytes
TRANSITIONS, IMAGE_TRANSITIONS = 100_000, 5_000
AT_ONCE = 4  # transitions per round
MAZE_STATE, MAZE_PIXELS = 4, 32 * 32 * 6  # two frames
MAZE_EPISODE = 200  # skill steps
LATENT_DIM = 10

Observations = NDArray[np.float32]


def measure(transitions: int = TRANSITIONS) -> list[Measurement]:
    """Fill replay memories as kitchen and maze runs do, and measure Python's present and peak memory."""
    capacity = load_recipe("kitchen").train_rl.replay_capacity
    numbers = MAZE_STATE + ImageEncoderSection().features  # the state includes the prior's features
    return [
        _measurement("replay memory", LIMIT, lambda: Replay(capacity, STATE_DIM, LATENT_DIM, note=_prior), transitions),
        _measurement(
            "replay memory with images",
            IMAGE_LIMIT,
            lambda: Replay(capacity, numbers, LATENT_DIM, MAZE_PIXELS, note=_prior),
            min(transitions, IMAGE_TRANSITIONS),
        ),
    ]


def _prior(states: Observations) -> Observations:
    """Return numbers as a Gaussian prior has them for states `(N, D)`, `(N, 2·K)`."""
    return np.zeros((len(states), 2 * LATENT_DIM), np.float32)


def _measurement(name: str, limit: int, make: Callable[[], Replay], transitions: int) -> Measurement:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        replay = make()
        latents, rewards = np.zeros((AT_ONCE, LATENT_DIM), np.float32), np.zeros(AT_ONCE, np.float32)
        for states, next_states in _pairs(replay.state_dim + replay.images.pixels, transitions // AT_ONCE):
            replay.add(states, latents, rewards, next_states, rewards)
        after, peak = (value - before for value in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    stored = len(replay)
    return Measurement(
        name=name,
        value=after / stored,
        unit="bytes per skill step",
        limit=limit,
        bound="at most",
        detail=f"{replay.bytes_per_transition} in a row, {peak / stored:.0f} at the peak, while memory grows",
        parts={"row_bytes": replay.bytes_per_transition, "peak_bytes": peak / stored, "transitions": stored},
    )


def _pairs(size: int, rounds: int) -> Iterator[tuple[Observations, Observations]]:
    """Yield observations `(AT_ONCE, size)` and their successors, in episodes; successive ones differ."""
    states = np.zeros((AT_ONCE, size), np.float32)
    for number in range(1, rounds + 1):
        next_states = np.full((AT_ONCE, size), number % 251, np.float32)
        yield states, next_states
        states = next_states + 1 if number % MAZE_EPISODE == 0 else next_states
