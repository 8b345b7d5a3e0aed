"""The environment of block stacking: a gripper that sees its surroundings and is rewarded for height."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from spirl_cli.domains.blocks import geometry, image, picture
from spirl_cli.domains.blocks.physics import CONTROL_SECONDS, BlocksPhysics
from spirl_cli.domains.blocks.section import BlocksSection
from spirl_cli.domains.blocks.towers import Towers
from spirl_cli.domains.drawn import FrameStack

START_HEIGHT = (0.18, 0.28)  # m, of the gripper

Observation = dict[str, npt.NDArray[Any]]


class BlocksEnv(gym.Env[Observation, npt.NDArray[np.floating]]):
    """Block stacking (docs/blocks.md#task).

    The observation is a dictionary: `state` `(8 + 3·n,)` float32, see `spirl_cli.domains.blocks.geometry`, and
    `image` (32, 32, 3 · frames) uint8: the last views (`spirl_cli.domains.blocks.image`), the oldest first. At the
    first step all views are equal. The image is missing if the recipe does not select it. Actions in
    [-1, 1] are velocities along y and z, 0.05 m per step, and the fingers: above 0.5 they open, below
    -0.5 they close, else they stay. Episodes start with all blocks on the table, open fingers and the
    gripper somewhere above them; they are truncated after `episode_length` steps and never terminate.

    Rewards, with the height h of `spirl_cli.domains.blocks.towers` in metres: `dense` pays 50·h at every step, 1
    when a block is lifted for the first time, and 2 when it first stands on the block that it was put onto;
    `sparse` pays h at every step.

    `info["metrics"]` holds `stacked` and `height` (in blocks) of the present moment, as
    `spirl_cli.domains.blocks.towers` defines them; `max_stacked` and `max_height`, their largest values in the
    episode so far; `lifted` and `delivered`, the numbers of blocks lifted and delivered so far. The values of the
    last step are those of the episode.

    Args:
        section: the recipe's environment.
        render_mode: None, or `rgb_array` for pictures of the whole plane.

    Raises:
        UsageError: as `BlocksSection.image_shape`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / CONTROL_SECONDS)}  # noqa: RUF012  # gymnasium declares it so

    def __init__(self, section: BlocksSection, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.physics = BlocksPhysics(section.blocks)
        self.towers = Towers(self.physics)
        self._dense = section.reward == "dense"
        self._episode_length = section.episode_length
        self._sees = section.image_shape is not None
        self._views = FrameStack(section.frames)
        self._elapsed, self._max_stacked, self._max_height = 0, 0, 0.0
        self.observation_space = _observation_space(section)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; the seed decides the positions of blocks and gripper."""
        super().reset(seed=seed)
        blocks, rng = self.physics.blocks, self.np_random
        places = geometry.random_places(blocks, 0, rng)
        half = geometry.half_length(blocks)
        self.physics.reset((rng.uniform(-half, half), rng.uniform(*START_HEIGHT)), places)
        self.towers.reset()
        self.towers.update()
        self._elapsed, self._max_stacked, self._max_height = 0, 0, 0.0
        self._views.clear()
        return self._observe(), {"metrics": self._metrics()}

    def step(self, action: npt.NDArray[np.floating]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move for 0.1 s by an action `(3,)`."""
        towers = self.towers
        lifted, delivered = len(towers.lifted), len(towers.delivered)
        self.physics.step(action)
        towers.update()
        self._elapsed += 1
        self._max_stacked = max(self._max_stacked, towers.stacked)
        self._max_height = max(self._max_height, towers.height)
        reward = towers.height * geometry.BLOCK
        if self._dense:
            reward = 50 * reward + (len(towers.lifted) - lifted) + 2 * (len(towers.delivered) - delivered)
        truncated = self._elapsed >= self._episode_length
        return self._observe(), reward, False, truncated, {"metrics": self._metrics()}

    def render(self) -> Any:
        """Draw the whole plane, uint8 `(height, width, 3)`."""
        return picture.draw_picture(self.physics.state, frozenset(self.towers.held))

    def _observe(self) -> Observation:
        state = self.physics.state.astype(np.float32)
        if not self._sees:
            return {"state": state}
        return {"state": state, "image": self._views.push(image.draw(state[None])[0])}

    def _metrics(self) -> dict[str, float]:
        towers = self.towers
        return {
            "stacked": float(towers.stacked),
            "height": towers.height,
            "max_stacked": float(self._max_stacked),
            "max_height": self._max_height,
            "lifted": float(len(towers.lifted)),
            "delivered": float(len(towers.delivered)),
        }


def _observation_space(section: BlocksSection) -> gym.Space[Any]:
    size = geometry.state_size(section.blocks)
    spaces: dict[str, gym.Space[Any]] = {"state": gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)}
    shape = section.image_shape
    if shape is not None:
        spaces["image"] = gym.spaces.Box(0, 255, shape, np.uint8)
    return gym.spaces.Dict(spaces)
