"""An environment with a camera that shows noise, for `benchmarks.images`; importing it registers `RandomCamera-v0`."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict

ID, SIZE = "RandomCamera-v0", 32


class RandomCamera(gym.Env[Any, Any]):
    """Random numbers and frames, no reward."""

    observation_space = Dict({"state": Box(-9, 9, (3,)), "camera": Box(0, 255, (SIZE, SIZE, 3), np.uint8)})
    action_space = Box(-2, 2, (1,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Show something else."""
        return self._seen(), 0.0, False, False, {}

    def _seen(self) -> dict[str, np.ndarray]:
        frame = self.np_random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        return {"state": self.np_random.uniform(-1, 1, 3).astype(np.float32), "camera": frame}


if ID not in gym.registry:
    gym.register(ID, f"{__name__}:RandomCamera")
