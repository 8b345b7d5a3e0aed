"""FrankaKitchen-v1's simulation and observations; every instance has its own goals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.farama import silence_notices

GOAL_RADIUS = 0.3  # a subtask is done while its object's joints are closer to their goal than this


class Kitchen:
    """One running FrankaKitchen, with its own bookkeeping of goals switched off.

    That bookkeeping is unreliable: the list of completed tasks in an earlier `info` is emptied later, all
    environments of a process share the arrays of goals, and the order of the list of open tasks depends on Python's
    hash seed.

    Args:
        tasks: the subtasks that have goals.
        noise: noise of the robot's observed joints (`robot_noise_ratio`).
        object_noise: noise of the objects' observed joints (`object_noise_ratio`).
        render_mode: None or `rgb_array`.

    Attributes:
        env: the Gymnasium environment of gymnasium-robotics. Its observation is a dictionary (`observation` `(59,)`,
            `achieved_goal/<task>`, `desired_goal/<task>`), its actions are 9 joint velocities in [-1, 1].
        model, data: MuJoCo's model and true state.
        goals: subtask → indices of its joint positions and their goals.
    """

    def __init__(self, tasks: Sequence[str], noise: float, object_noise: float, render_mode: str | None = None) -> None:
        silence_notices()
        from gymnasium_robotics.envs.franka_kitchen import KitchenEnv as FrankaKitchen
        from gymnasium_robotics.envs.franka_kitchen.kitchen_env import OBS_ELEMENT_GOALS, OBS_ELEMENT_INDICES

        self._franka = FrankaKitchen(
            tasks_to_complete=list(tasks),
            terminate_on_tasks_completed=False,
            remove_task_when_completed=False,
            object_noise_ratio=object_noise,
            robot_noise_ratio=noise,
            render_mode=render_mode,
        )
        self.env: gym.Env[Any, Any] = self._franka
        self.goals: dict[str, tuple[np.ndarray, np.ndarray]] = {
            task: (OBS_ELEMENT_INDICES[task], OBS_ELEMENT_GOALS[task].copy()) for task in tasks
        }
        self._franka.goal = {task: goal.copy() for task, (_, goal) in self.goals.items()}
        self.model: Any = self._franka.model
        self.data: Any = self._franka.data

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Return the first observation. Episodes start from one fixed state; the seed decides the noise."""
        observation, _ = self.env.reset(seed=seed, options=options)
        self._franka.tasks_to_complete = set()  # saves computing distances that `at_goal` computes
        return observation

    def step(self, action: Any) -> Any:
        """Move for 0.08 s with the joint velocities `action` `(9,)`; return the observation."""
        return self.env.step(action)[0]

    def offset(self, task: str) -> float:
        """Return the true distance of a subtask's object from its goal, over all its joints."""
        indices, goal = self.goals[task]
        away = self.data.qpos[indices] - goal
        return math.sqrt(away.dot(away))

    def at_goal(self, task: str) -> bool:
        """Say whether a subtask counts as done in the present, true state."""
        return self.offset(task) < GOAL_RADIUS
