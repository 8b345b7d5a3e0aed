"""Small made-up clips for tests of what reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spirl_cli.clips.reader import Clips
from spirl_cli.clips.writer import ClipWriter
from spirl_cli.demos.episode import ActionBounds, Episode


def make_clips(path: Path, *, state_dim: int, action_dim: int, horizon: int, episodes: int = 8) -> Clips:
    """Smooth states in [-1, 1]; every action equals the first numbers of its state."""
    rng = np.random.default_rng(0)
    bounds = ActionBounds(np.full(action_dim, -1, np.float32), np.full(action_dim, 1, np.float32))
    with ClipWriter(path, horizon, bounds) as writer:
        for number in range(episodes):
            steps = 15 + 5 * number
            phase, pace = rng.uniform(0, 6.28, state_dim), rng.uniform(0.05, 0.3, state_dim)
            states = np.sin(phase + pace * np.arange(steps + 1)[:, None]).astype(np.float32)
            writer.append(Episode(number, states, states[:-1, :action_dim].copy()))
        writer.finish(validation_fraction=0.25, seed=0, identity={})
    return Clips.open(path)
