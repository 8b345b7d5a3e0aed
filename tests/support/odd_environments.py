"""Environments that do one thing wrong each; they fit the pendulum's demonstrations. Workers import this too."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.gymnasium.section import GymnasiumSection


class Cart(gym.Env[Any, Any]):
    """A cart that is pushed: three numbers seen, one action in ±2; nothing is wrong with it."""

    observation_space: gym.Space[Any] = gym.spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space: gym.Space[Any] = gym.spaces.Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start at rest."""
        super().reset(seed=seed)
        self.state, self.count = np.zeros(3), 0
        return self.state.copy(), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Push, and pay for standing near the start."""
        push = float(np.asarray(action, np.float64)[0])
        self.state = 0.9 * self.state + np.array([push, 0.5 * push, 1.0]) * 0.1
        self.count += 1
        return self.state.copy(), -abs(float(self.state[0])), False, False, {}


class Reports(Cart):
    """Says of success what it is told to, from a step on and before another one; else it says False."""

    def __init__(
        self, key: str = "success", value: Any = True, since: int = 0, array: bool = False, until: int = 1_000
    ) -> None:
        self.key, self.since, self.until = key, since, until
        self.value = np.array(value) if array else value

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Start, and report."""
        observation, _ = super().reset(**options)
        return observation, self._info()

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and report."""
        return *super().step(action)[:4], self._info()

    def _info(self) -> dict[str, Any]:
        said = self.value if self.since <= self.count < self.until else False
        for name in reversed(self.key.split("/")):
            said = {name: said}
        return said  # type: ignore[return-value]


class NotFinite(Cart):
    """Returns a number that is not finite as reward or in the observation, at one step of each episode."""

    def __init__(
        self, quantity: str = "reward", at: int = 17, number: str = "nan", variable: str | None = None
    ) -> None:
        self.quantity, self.at, self.number, self.variable = quantity, at, float(number), variable

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step; where an environment variable is named, nothing is wrong without it."""
        observation, reward, *rest = super().step(action)
        if self.count == self.at and (self.variable is None or self.variable in os.environ):
            if self.quantity == "reward":
                reward = self.number
            else:
                observation[1] = self.number
        return observation, reward, *rest  # type: ignore[return-value]


class RewardArray(Cart):
    """Returns its reward as an array of this shape."""

    def __init__(self, shape: tuple[int, ...] = (1,)) -> None:
        self.shape = tuple(shape)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step."""
        observation, reward, *rest = super().step(action)
        return observation, np.full(self.shape, reward), *rest  # type: ignore[return-value]


class Larger(Cart):
    """Declares three numbers and shows four."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Start."""
        observation, info = super().reset(**options)
        return np.append(observation, 0.0), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step."""
        observation, *rest = super().step(action)
        return np.append(observation, 0.0), *rest  # type: ignore[return-value]


class OldReset(Cart):
    """Has the interface of gym before 0.26 where an episode starts."""

    def reset(self) -> Any:  # type: ignore[override]
        """Start."""
        return super().reset()[0]


class OldStep(Cart):
    """Has the interface of gym before 0.26 where an episode goes on."""

    def step(self, action: Any) -> Any:
        """Step."""
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, info


class Boundless(Cart):
    """Takes any action."""

    action_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)


class Parent(Cart):
    """Starts a process of its own, as some simulators do."""

    def __init__(self) -> None:
        process = multiprocessing.get_context("spawn").Process(target=print, args=("a simulator runs",))
        process.start()
        process.join()


class Talkative(Cart):
    """Prints where Python prints, and where a C library does."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Start, and talk about it."""
        print("loading a scene")
        with contextlib.suppress(OSError):  # C libraries seldom look whether it worked
            os.write(1, b"physics: 1.0\n")
        gym.logger.warn("this scene is deprecated")
        return super().reset(**options)


class Hanging(Cart):
    """Never comes back from one step."""

    def __init__(self, at: int = 12) -> None:
        self.at = at

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, or sleep."""
        if self.count == self.at:
            time.sleep(1e6)
        return super().step(action)


class Slashes(Cart):
    """Shows a dictionary whose keys hold slashes."""

    observation_space = gym.spaces.Dict(
        {"cart/places": gym.spaces.Box(-9, 9, (2,)), "cart/time": gym.spaces.Box(-9, 9, (1,))}
    )

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Start."""
        observation, info = super().reset(**options)
        return _with_slashes(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step."""
        observation, *rest = super().step(action)
        return _with_slashes(observation), *rest  # type: ignore[return-value]


def _with_slashes(state: np.ndarray) -> dict[str, np.ndarray]:
    return {"cart/places": state[:2], "cart/time": state[2:]}


KINDS = (
    Cart,
    Reports,
    NotFinite,
    RewardArray,
    Larger,
    OldReset,
    OldStep,
    Boundless,
    Parent,
    Talkative,
    Hanging,
    Slashes,
)
for _kind in KINDS:
    if f"{_kind.__name__}-v0" not in gym.registry:
        gym.register(f"{_kind.__name__}-v0", _kind)  # type: ignore[arg-type]


def odd(kind: type[Cart], episode_length: int = 40, **kwargs: Any) -> GymnasiumSection:
    """Return the section of one of these environments, made with these arguments."""
    recipe = {key: kwargs.pop(key) for key in list(kwargs) if key in GymnasiumSection.model_fields}
    values = {"kind": "gymnasium", "id": f"{kind.__name__}-v0", "module": kind.__module__, "kwargs": kwargs, **recipe}
    return GymnasiumSection.model_validate({"episode_length": episode_length, **values})


def as_options(section: GymnasiumSection) -> list[str]:
    """Return the options that put an environment into the recipe of a command."""
    values = section.model_dump(mode="json", exclude_unset=True)
    return [word for key, value in values.items() if key != "kind" for word in ("--set", f"env.{key}={value}")]
