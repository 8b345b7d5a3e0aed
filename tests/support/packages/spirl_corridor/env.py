"""The corridor: physics, image and planner."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.domain import GeneratedEpisode
from spirl_cli.domains.drawn import FrameStack
from spirl_corridor.section import CorridorPlanner, CorridorSection

STEP = 0.1  # m per unit of action


def draw(states: np.ndarray) -> np.ndarray:
    """Draw a bright column where the cart is, uint8 `(B, 8, 16, 1)`; states `(B, 1)` are in [-1, 1]."""
    columns = np.clip(np.round((states[:, 0] + 1) * 7.5), 0, 15).astype(int)
    images = np.zeros((len(states), 8, 16, 1), np.uint8)
    images[np.arange(len(states)), :, columns] = 255
    return images


class CorridorEnv(gym.Env[dict[str, np.ndarray], np.ndarray]):
    """Pays the way that the cart makes to the right."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, section: CorridorSection, render_mode: str | None = None) -> None:
        self.section, self.render_mode = section, render_mode
        self._views = FrameStack(section.frames)
        self._place, self._steps = 0.0, 0
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        shape = section.image_shape or (0,)
        self.observation_space = gym.spaces.Dict(
            {
                "state": gym.spaces.Box(-1, 1, (1,), np.float32),
                "image": gym.spaces.Box(0, 255, shape, np.uint8),
            }
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._place, self._steps = float(self.np_random.uniform(-0.2, 0.2)), 0
        self._views.clear()
        return self._observe(), {"metrics": {"way": self._place}}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        before = self._place
        self._place = float(np.clip(before + STEP * action[0] / self.section.length, -1, 1))
        self._steps += 1
        over = self._steps >= self.section.episode_length
        return self._observe(), self._place - before, False, over, {"metrics": {"way": self._place}}

    def render(self) -> Any:
        return np.repeat(np.repeat(draw(np.array([[self._place]]))[0], 4, axis=0), 4, axis=1).repeat(3, axis=2)

    def _observe(self) -> dict[str, np.ndarray]:
        state = np.array([self._place], np.float32)
        return {"state": state, "image": self._views.push(draw(state[None])[0])}


def push(planner: CorridorPlanner, seed: int, number: int) -> GeneratedEpisode:
    """Push the cart to the left or to the right, with some noise."""
    rng = np.random.default_rng([seed, number])
    way = planner.push * rng.choice([-1.0, 1.0])
    actions = np.clip(way + 0.1 * rng.standard_normal((planner.steps, 1)), -1, 1).astype(np.float32)
    states = np.cumsum(np.concatenate([[[0.0]], STEP * actions / 2]), axis=0)
    return GeneratedEpisode(np.clip(states, -1, 1).astype(np.float32), actions)
