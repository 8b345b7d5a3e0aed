"""FrankaKitchen with chosen subtasks, exact reward semantics and no shared mutable state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from spirl_cli.recipe.schema import KitchenSection

GOAL_RADIUS = 0.3  # a subtask is done while its object's joints are closer than this to their goal


class Subtasks:
    """Which subtasks of an episode are paid, and what a step earns (METHOD §3).

    Args:
        tasks: names in the order of the recipe.
        order: ``any`` pays each subtask once, the first time that it is reached. ``in-order``
            goes through the unpaid subtasks at every step, pays those whose object is at its goal
            *at that moment*, and stops at the first that is not.

    Attributes:
        paid: 1.0 for every subtask that was paid in this episode, else 0.0, in the recipe's order.
    """

    def __init__(self, tasks: Sequence[str], order: Literal["any", "in-order"]) -> None:
        self._tasks = tuple(tasks)
        self._in_order = order == "in-order"
        self.paid: dict[str, float] = {}
        self.reset()

    def reset(self) -> None:
        """Forget what was paid: a new episode starts."""
        self.paid = dict.fromkeys(self._tasks, 0.0)

    def pay(self, reached: Callable[[str], bool]) -> float:
        """Return this step's reward: the number of subtasks that are paid now.

        Args:
            reached: whether the object of a subtask is at its goal in the present, true state.
        """
        reward = 0.0
        for task, paid in self.paid.items():
            if paid:
                continue
            if reached(task):
                self.paid[task] = 1.0
                reward += 1.0
            elif self._in_order:
                break
        return reward

    @property
    def complete(self) -> bool:
        """Whether every subtask was paid."""
        return all(self.paid.values())

    def metrics(self) -> dict[str, float]:
        """Return ``subtasks`` (how many were paid) and 0 or 1 for each subtask by name."""
        return {"subtasks": sum(self.paid.values()), **self.paid}


class KitchenEnv(gym.Wrapper[Any, Any, Any, Any]):
    """FrankaKitchen-v1's physics and observations, with rewards and ends of our own.

    The observation is the original dictionary (``observation`` (59,), ``achieved_goal/<task>``,
    ``desired_goal/<task>``); actions are 9 joint velocities in [-1, 1]. The reward is +1 once per
    subtask, see :class:`Subtasks`. An episode terminates when all subtasks are paid, else it is
    truncated after ``section.episode_length`` steps; never both.

    The bookkeeping of gymnasium-robotics is not used: its list of completed tasks is emptied under
    an ``info`` that was handed out earlier, its goals are one set of arrays shared by all
    environments of the process, and its list of open tasks comes in an order that depends on
    Python's hash seed. ``info`` holds ``metrics`` only.

    Args:
        section: the recipe's environment.
        render_mode: None or ``rgb_array``.
    """

    def __init__(self, section: KitchenSection, render_mode: str | None = None) -> None:
        silence_notices()
        from gymnasium_robotics.envs.franka_kitchen import KitchenEnv as FrankaKitchen
        from gymnasium_robotics.envs.franka_kitchen.kitchen_env import OBS_ELEMENT_GOALS

        franka = FrankaKitchen(
            tasks_to_complete=list(section.tasks),
            terminate_on_tasks_completed=False,
            remove_task_when_completed=False,
            object_noise_ratio=section.object_noise,
            robot_noise_ratio=section.noise,
            render_mode=render_mode,
        )
        super().__init__(franka)
        self.subtasks = Subtasks(section.tasks, section.order)
        self._goals: dict[str, np.ndarray] = {task: OBS_ELEMENT_GOALS[task].copy() for task in section.tasks}
        franka.goal = {task: goal.copy() for task, goal in self._goals.items()}
        self._franka = franka
        self._episode_length = section.episode_length
        self._elapsed = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode from the one fixed state; the seed decides the observation noise."""
        observation, _ = self.env.reset(seed=seed, options=options)
        self._franka.tasks_to_complete = set()  # spares it the distances, which are taken here
        self.subtasks.reset()
        self._elapsed = 0
        return observation, {"metrics": self.subtasks.metrics()}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move for 0.08 s with the joint velocities ``action`` (9,)."""
        observation = self.env.step(action)[0]
        self._elapsed += 1
        # the true state; `observation["observation"]` carries noise
        achieved: dict[str, np.ndarray] = observation["achieved_goal"]
        reward = self.subtasks.pay(lambda task: self._at_goal(task, achieved[task]))
        terminated = self.subtasks.complete
        truncated = not terminated and self._elapsed >= self._episode_length
        return observation, reward, terminated, truncated, {"metrics": self.subtasks.metrics()}

    @property
    def simulation(self) -> tuple[Any, Any]:
        """MuJoCo's model and data, for those who are shown the true state."""
        return self._franka.model, self._franka.data

    @property
    def goals(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Of every subtask, the indices of its joint positions and where they should be."""
        from gymnasium_robotics.envs.franka_kitchen.kitchen_env import OBS_ELEMENT_INDICES

        return {task: (OBS_ELEMENT_INDICES[task], goal) for task, goal in self._goals.items()}

    def _at_goal(self, task: str, positions: np.ndarray) -> bool:
        offset = positions - self._goals[task]
        return math.sqrt(offset.dot(offset)) < GOAL_RADIUS


def silence_notices() -> None:
    """Keep Farama packages from printing their news when they are imported, in every worker."""
    try:
        from farama_notifications import notifications  # type: ignore[import-untyped]
    except ImportError:
        return
    notifications.clear()
