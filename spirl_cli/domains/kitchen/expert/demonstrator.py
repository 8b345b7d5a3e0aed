"""Plays episodes of the kitchen: draws a plan, a style for every subtask and disturbances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spirl_cli.domains.kitchen.expert.control import Controller
from spirl_cli.domains.kitchen.expert.disturbance import Disturbance, draw_rest
from spirl_cli.domains.kitchen.expert.plans import completes_target, draw_plan
from spirl_cli.domains.kitchen.expert.state_machine import StateMachine
from spirl_cli.domains.kitchen.expert.style import draw_style
from spirl_cli.domains.kitchen.expert.subtask_machines import make_machine
from spirl_cli.domains.kitchen.expert.view import ARM, KitchenView
from spirl_cli.domains.kitchen.section import KITCHEN_TASKS, KitchenExpert
from spirl_cli.domains.kitchen.simulation import Kitchen

FIRST_REST = (1, 6)  # steps before the first movement, least and most
TAIL = (0, 6)  # steps after the last subtask


@dataclass(frozen=True)
class Demonstration:
    """An episode of T steps that the expert has played.

    Attributes:
        observations: float64 `(T+1, 59)`, with the environment's noise.
        states: float64 `(T+1, 30)`, the true joint positions.
        actions: float32 `(T, 9)` in [-1, 1].
        plan: the planned subtasks, in order.
        completed: name of each completed subtask → the step of its completion.
        restarts: number of times that a subtask was started over.
        success: whether all planned subtasks were completed, all their objects are at their goals in the end, and the
            target task is not complete (unless the settings allow it).
    """

    observations: np.ndarray
    states: np.ndarray
    actions: np.ndarray
    plan: tuple[str, ...]
    completed: dict[str, int]
    restarts: int
    success: bool


class Demonstrator:
    """A scripted expert in one kitchen; it plays any number of episodes.

    Args:
        settings: the recipe's settings of the expert.
        render_mode: None or `rgb_array`.
    """

    def __init__(self, settings: KitchenExpert, render_mode: str | None = None) -> None:
        self.kitchen = Kitchen(KITCHEN_TASKS, settings.noise, settings.object_noise, render_mode)
        self._settings = settings

    def play(self, seed: np.random.SeedSequence, plan: tuple[str, ...] | None = None) -> Demonstration:
        """Play an episode; everything in it follows from the seed.

        Args:
            seed: seed of the episode.
            plan: the subtasks, or None to draw them.
        """
        for_expert, for_noise = seed.spawn(2)
        rng = np.random.default_rng(for_expert)
        recorder = _Recorder(self.kitchen, int(for_noise.generate_state(1)[0]))
        drawn = draw_plan(self._settings, rng)
        plan = plan or drawn
        restarts = self._carry_out(plan, rng, recorder)
        return recorder.demonstration(plan, restarts, self._settings.target)

    def _carry_out(self, plan: tuple[str, ...], rng: np.random.Generator, recorder: _Recorder) -> int:
        """Do the subtasks in order until one fails; return the number of restarts."""
        view = KitchenView(self.kitchen)
        controller = Controller(view)
        restarts = 0
        recorder.rest(controller, int(rng.integers(*FIRST_REST)))
        for number, task in enumerate(plan):
            if number:
                recorder.rest(controller, draw_rest(self._settings, rng))
            tail = int(rng.integers(*TAIL)) if number == len(plan) - 1 else None
            machine = make_machine(task, draw_style(rng, self._settings.variation))
            self._do(machine, view, controller, Disturbance(self._settings, rng), recorder, tail)
            restarts += machine.restarts
            if task not in recorder.completed:
                break
        return restarts

    def _do(
        self,
        machine: StateMachine,
        view: KitchenView,
        controller: Controller,
        disturbance: Disturbance,
        recorder: _Recorder,
        tail: int | None,
    ) -> None:
        """Do a subtask; a tail limits the number of steps after the release of the object."""
        for _ in range(self._settings.max_steps):
            aim = machine.aim(view)
            if machine.done or (machine.leaving and tail is not None and tail <= 0):
                return
            if machine.leaving and tail is not None:
                tail -= 1
            action = controller.action(aim, machine.posture)
            action[:ARM] += disturbance.next(machine.phase == "reach")
            recorder.step(action)


class _Recorder:
    """Steps the kitchen and records the episode."""

    def __init__(self, kitchen: Kitchen, seed: int) -> None:
        self.completed: dict[str, int] = {}
        self._kitchen = kitchen
        self._observations: list[np.ndarray] = []
        self._states: list[np.ndarray] = []
        self._actions: list[np.ndarray] = []
        self._keep(kitchen.reset(seed))

    def step(self, action: np.ndarray) -> None:
        """Apply and record an action `(9,)`."""
        stored = np.clip(action, -1.0, 1.0).astype(np.float32)
        observation = self._kitchen.step(stored)
        self._actions.append(stored)
        self._keep(observation)
        for task in KITCHEN_TASKS:
            if task not in self.completed and self._kitchen.at_goal(task):
                self.completed[task] = len(self._actions)

    def rest(self, controller: Controller, steps: int) -> None:
        """Keep the arm where it is for some steps."""
        for _ in range(steps):
            self.step(controller.hold())

    def demonstration(self, plan: tuple[str, ...], restarts: int, target: bool) -> Demonstration:
        """Return the recorded episode, with its success."""
        still = all(self._kitchen.at_goal(task) for task in plan)
        success = set(plan) <= set(self.completed) and still and (target or not completes_target(tuple(self.completed)))
        return Demonstration(
            np.array(self._observations),
            np.array(self._states),
            np.array(self._actions).reshape(-1, ARM + 2),
            plan,
            self.completed,
            restarts,
            bool(success),
        )

    def _keep(self, observation: dict[str, Any]) -> None:
        self._observations.append(np.array(observation["observation"]))
        self._states.append(np.array(self._kitchen.data.qpos))
