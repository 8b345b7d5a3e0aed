"""FrankaKitchen-v1 as it is simulated and seen, with goals of its own in every instance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.farama import silence_notices

GOAL_RADIUS = 0.3  # a subtask is done while its object's joints are closer than this to their goal


class Kitchen:
    """One running FrankaKitchen, its bookkeeping of goals switched off.

    That bookkeeping cannot be relied on: the list of completed tasks is emptied under an ``info`` that was handed out
    earlier, the goals are one set of arrays shared by all environments of the process, and the list of open tasks
    comes in an order that depends on Python's hash seed.

    Args:
        tasks: the subtasks that there are goals for.
        noise: of the robot's observed joints (``robot_noise_ratio``).
        object_noise: of the objects' (``object_noise_ratio``).
        render_mode: None or ``rgb_array``.

    Attributes:
        env: the Gymnasium environment of gymnasium-robotics. Its observation is a dictionary (``observation`` (59,),
            ``achieved_goal/<task>``, ``desired_goal/<task>``), its actions are 9 joint velocities in [-1, 1].
        model, data: of MuJoCo; the true state.
        goals: of every subtask, the indices of its joint positions and where they should be.
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
        """Return the first observation; episodes start from one fixed state, the seed decides the noise."""
        observation, _ = self.env.reset(seed=seed, options=options)
        self._franka.tasks_to_complete = set()  # spares it the distances, which are taken in `at_goal`
        return observation

    def step(self, action: Any) -> Any:
        """Move for 0.08 s with the joint velocities ``action`` (9,); return the observation."""
        return self.env.step(action)[0]

    def offset(self, task: str) -> float:
        """Return how far a subtask's object truly is from its goal, over all its joints."""
        indices, goal = self.goals[task]
        away = self.data.qpos[indices] - goal
        return math.sqrt(away.dot(away))

    def at_goal(self, task: str) -> bool:
        """Say whether a subtask counts as done in the present, true state."""
        return self.offset(task) < GOAL_RADIUS
