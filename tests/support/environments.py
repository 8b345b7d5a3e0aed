"""Small environments and decoders that several test modules use; workers import this too."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.settings import ObservationPart

ADVICE = (  # of gymnasium's checker, that spirl's environments do not follow on purpose
    "space minimum value is -infinity",  # states have no bounds
    "space maximum value is infinity",
    "we recommend using a symmetric and normalized space",  # skills have the prior's scale
    "is different from the unwrapped version",  # a `SkillEnv` is a wrapper
    "alternative render modes",  # only what `gymnasium.make` makes has them
)
PENDULUM = GymnasiumSection(kind="gymnasium", id="Pendulum-v1", episode_length=23)


class HoldDecoder:
    """A skill is an action that is held for H steps, plus a little feedback from the state."""

    def __init__(self, action_dim: int, horizon: int = 10) -> None:
        self.latent_dim, self.horizon = action_dim, horizon
        self._latent = np.zeros(action_dim, np.float32)

    def begin(self, latent: np.ndarray) -> None:
        """Take the action to hold."""
        self._latent = latent

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return the held action and the feedback."""
        return self._latent + np.float32(0.1) * observation[: self.latent_dim]


class ScriptedEnv(gym.Env[np.ndarray, np.ndarray]):
    """Counts; pays its step number; the script says when which info comes and when it ends."""

    def __init__(self, success_at: int | None = None, ends_at: int = 1000, fails_at: int = 1000) -> None:
        self.observation_space = gym.spaces.Dict(
            {"robot": gym.spaces.Dict({"qpos": gym.spaces.Box(-9, 9, (2,))}), "name": gym.spaces.Text(4)}
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._success_at, self._ends_at, self._fails_at = success_at, ends_at, fails_at
        self._count = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Count from 0 again."""
        super().reset(seed=seed)
        self._count = 0
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Count one further, and fail or end where the script says so."""
        self._count += 1
        if self._count == self._fails_at:
            raise KeyError("gripper")
        info = {} if self._success_at is None else {"is_success": self._count == self._success_at}
        ragged = {"contacts": np.zeros(self._count), "handle": lambda: None}  # can't be stacked, can't be sent
        return self._observation(), float(self._count), self._count >= self._ends_at, False, {**info, **ragged}

    def _observation(self) -> dict[str, Any]:
        return {"robot": {"qpos": np.full(2, self._count, np.float64)}, "name": "arm"}


class SliderEnv(gym.Env[dict[str, np.ndarray], np.ndarray]):
    """A slider that is pushed along a rail towards its right end, and a camera that films it.

    Args:
        render_mode: None or ``rgb_array``.
        camera: whether the camera's image is part of the observation.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012  # gymnasium declares it so

    def __init__(self, render_mode: str | None = None, camera: bool = True) -> None:
        self.render_mode = render_mode
        spaces: dict[str, gym.Space[Any]] = {"state": gym.spaces.Box(-2, 2, (2,), np.float32)}
        if camera:
            spaces["camera"] = gym.spaces.Box(0, 255, (12, 16, 3), np.uint8)
        self.observation_space = gym.spaces.Dict(spaces)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self._camera = camera
        self._place, self._speed, self._count = 0.5, 0.0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Put the slider somewhere, at rest."""
        super().reset(seed=seed)
        self._place, self._speed, self._count = float(self.np_random.uniform(0.2, 0.8)), 0.0, 0
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Push the slider; pay where it is."""
        self._speed = 0.8 * self._speed + 0.05 * float(action[0])
        self._place = float(np.clip(self._place + self._speed, 0, 1))
        self._count += 1
        return self._observation(), self._place, False, False, {}

    def render(self) -> Any:
        """Return the camera's image: the slider is white, the background tells the time."""
        image = np.full((12, 16, 3), (40, 80, 5 * self._count % 256), np.uint8)
        image[4:8, round(13 * self._place) : round(13 * self._place) + 3] = 255
        return image

    def _observation(self) -> dict[str, np.ndarray]:
        observation = {"state": np.array([self._place, self._speed], np.float32)}
        return {**observation, "camera": self.render()} if self._camera else observation


def slider_episodes(count: int = 6, steps: int = 20) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Return episodes of a slider that is pushed now left, now right: observations (T+1, ...), actions (T, 1)."""
    env, episodes = SliderEnv(), []
    for number in range(count):
        actions = np.sin(number + np.arange(steps) / 3).astype(np.float32)[:, None]
        seen = [env.reset(seed=number)[0], *(env.step(action)[0] for action in actions)]
        episodes.append(({key: np.stack([one[key] for one in seen]) for key in seen[0]}, actions))
    return episodes


def register_scripted() -> None:
    """Register the environments of this module, as a package that is named in `env.module` would."""
    if "Scripted-v0" not in gym.registry:
        gym.register("Scripted-v0", ScriptedEnv)
        gym.register("Slider-v0", SliderEnv)


register_scripted()


def scripted(**changes: Any) -> GymnasiumSection:
    """Section of a scripted environment that lives for 10 steps."""
    values: dict[str, Any] = {
        "kind": "gymnasium",
        "id": "Scripted-v0",
        "module": __name__,
        "episode_length": 10,
        "observation": (ObservationPart(key="robot/qpos"),),
        **changes,
    }
    return GymnasiumSection(**values)


def assert_keeps_gymnasiums_rules(env: gym.Env[Any, Any], skip_render_check: bool = False) -> None:
    """Run gymnasium's checker, which raises, and refuse whatever it warns of except `ADVICE`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=skip_render_check)
    messages = [str(warning.message) for warning in caught]
    assert [text for text in messages if not any(advice in text for advice in ADVICE)] == []


class ReachEnv(gym.Env[dict[str, np.ndarray], np.ndarray]):
    """A point in a plane that actions push to a goal, with the observations of a GoalEnv."""

    def __init__(self) -> None:
        goal = gym.spaces.Box(-1, 1, (2,))
        self.observation_space = gym.spaces.Dict(
            {"achieved_goal": goal, "desired_goal": goal, "observation": gym.spaces.Box(-1, 1, (4,))}
        )
        self.action_space = gym.spaces.Box(-0.5, 0.5, (2,), np.float32)
        self._place = self._goal = self._push = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Draw a place and a goal."""
        super().reset(seed=seed)
        self._place, self._goal = self.np_random.uniform(-1, 1, (2, 2))
        self._push = np.zeros(2)
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move by a tenth of the action."""
        self._push = 0.1 * np.clip(action, -0.5, 0.5)
        self._place = np.clip(self._place + self._push, -1, 1)
        success = bool(np.linalg.norm(self._place - self._goal) < 0.1)
        return self._observation(), float(success) - 1, False, False, {"is_success": success, "success_rate": 0.5}

    def _observation(self) -> dict[str, np.ndarray]:
        state = np.concatenate([self._place, self._push])
        parts = {"achieved_goal": self._place, "desired_goal": self._goal, "observation": state}
        return {name: values.astype(np.float32) for name, values in parts.items()}


def register_reach() -> None:
    """Register the environment with goals."""
    if "Reach-v0" not in gym.registry:
        gym.register("Reach-v0", ReachEnv, max_episode_steps=40)


register_reach()
