"""Steer the gripper among blocks: up, across and down, past displaced sub-goals (docs/blocks.md#demonstrations)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.physics import CONTROL_SECONDS, SPEED, BlocksPhysics
from spirl_cli.domains.blocks.section import BlocksPlanner

STEP_LENGTH = SPEED * CONTROL_SECONDS  # m, for an action of 1
OPEN, CLOSE = 1.0, -1.0
PASSED, REACHED = 0.03, 0.006  # m, distances at which a sub-goal on the way, and the last one, count as reached
SLOW = 0.05  # m/s, the largest speed at the last sub-goal
CLEARANCE = 0.03  # m, between the moving gripper or block and the blocks below
ACCESS = (
    2 * geometry.FINGER_RADIUS + geometry.OPENING - geometry.HALF + 0.004
)  # m, room beside a block that open fingers need
GRIP_STEPS = 3  # steps to close or open the fingers
NEAR = 0.1  # m, distance to a sub-goal below which noise shrinks in proportion
PATIENCE = 30  # steps, beyond twice those needed, after which a sub-goal is given up
DETOUR = (0.2, 0.8)  # shares of a segment between which its displaced sub-goal lies

Point = npt.NDArray[np.float64]


class OutOfStepsError(Exception):
    """A demonstration has reached its largest number of steps."""


class Pilot:
    """Moves the gripper of one demonstration and records states and actions.

    Attributes:
        states: recorded so far, T+1 of `(8 + 3·n,)`.
        actions: recorded so far, T of `(3,)`.

    Args:
        planner: the recipe's settings.
        physics: the simulation at the start of the demonstration, with open fingers.
        rng: draws detours and noise.
    """

    def __init__(self, planner: BlocksPlanner, physics: BlocksPhysics, rng: np.random.Generator) -> None:
        self._planner, self._physics, self._rng = planner, physics, rng
        self._fingers = OPEN
        self.states = [physics.state]
        self.actions: list[npt.NDArray[np.float32]] = []

    @property
    def gripper(self) -> Point:
        """y and z of the gripper `(2,)`."""
        return self.states[-1][:2]

    def travel(self, goal: Callable[[], Point], carried: int | None = None) -> None:
        """Go up, across and down to a goal, which may move in the meantime.

        Args:
            goal: returns the goal's present position `(2,)`.
            carried: the block between the fingers.

        Raises:
            OutOfStepsError: no steps are left.
        """
        start, end = self.gripper, goal()
        height = max(self._safe_height(start[0], end[0], carried), self._planner.travel_height)
        height += self._rng.uniform(0.0, CLEARANCE)
        height = min(max(height, start[1], end[1]), geometry.ceiling(self._planner.blocks))
        corners = [start, np.array([start[0], height]), np.array([end[0], height]), end]
        for first, second in pairwise(corners):
            detour = self._detour(first, second, carried)
            if detour is not None:
                self._move(_fixed(detour), PASSED)
            if second is not end:
                self._move(_fixed(second), PASSED)
        self._move(goal, REACHED)

    def rise(self, height: float) -> None:
        """Go straight up; raises as `travel`."""
        self._move(_fixed(self.gripper + np.array([0.0, height])), PASSED)

    def press(self, steps: int) -> None:
        """Press the gripper down while recording actions that rise; raises as `travel`."""
        for _ in range(steps):
            self._act(np.array([0.0, 1.0]), np.array([0.0, -2.0]))

    def grip(self, fingers: float) -> None:
        """Open or close the fingers, unless they are so already; raises as `travel`."""
        if fingers != self._fingers:
            self._fingers = fingers
            for _ in range(GRIP_STEPS):
                self._act(np.zeros(2), np.zeros(2))

    def _safe_height(self, one: float, other: float, carried: int | None) -> float:
        """Return the height at which the gripper passes over all blocks between two places."""
        left, right = min(one, other) - geometry.BLOCK - ACCESS, max(one, other) + geometry.BLOCK + ACCESS
        places = self._obstacles(carried)
        tops = places[(places[:, 0] > left) & (places[:, 0] < right), 1] + geometry.HALF
        return float(tops.max(initial=0.0)) + geometry.HALF + CLEARANCE

    def _obstacles(self, carried: int | None) -> Point:
        places = self._physics.places
        return places if carried is None else np.delete(places, carried, axis=0)

    def _detour(self, first: Point, second: Point, carried: int | None) -> Point | None:
        """Draw a segment's displaced sub-goal, nearer to the segment if blocks are in the way; None without one."""
        along = second - first
        share = self._rng.uniform(*DETOUR)
        aside = self._rng.uniform(-1.0, 1.0) * self._planner.disturbance * np.array([-along[1], along[0]])
        for _ in range(4):
            point = first + share * along + aside
            if self._is_clear(np.linspace(first, point, 6)[1:], carried) and self._is_clear(
                np.linspace(point, second, 6)[:-1], carried
            ):
                return None if math.hypot(*aside) < REACHED else point
            aside = aside / 2
        return None

    def _is_clear(self, points: Point, carried: int | None) -> bool:
        """Say whether gripper and carried block are free of contact at all of these points `(k, 2)`."""
        half, top = geometry.half_length(self._planner.blocks), geometry.ceiling(self._planner.blocks)
        within = (np.abs(points[:, 0]) < half) & (points[:, 1] > geometry.BLOCK) & (points[:, 1] < top)
        offset = points[:, None] - self._obstacles(carried)[:, :2]  # (k, n, 2)
        beside = np.abs(offset[..., 0]) > geometry.HALF + geometry.OPENING + 2 * geometry.FINGER_RADIUS
        above = offset[..., 1] > geometry.BLOCK + CLEARANCE / 2
        return bool(within.all() and (beside | above).all())

    def _move(self, goal: Callable[[], Point], reach: float) -> None:
        """Steer to a point until it is within `reach`, slowly if `reach` is small; give up after a while."""
        patience = PATIENCE + 2 * math.hypot(*(goal() - self.gripper)) / STEP_LENGTH
        while patience > 0:
            offset = goal() - self.gripper
            speed = math.hypot(*self.states[-1][2:4])
            if math.hypot(*offset) < reach and (reach > REACHED or speed < SLOW):
                return
            near = min(1.0, math.hypot(*offset) / NEAR)
            self._act(self._planner.gain * offset, near * self._noise())
            patience -= 1

    def _act(self, velocity: Point, noise: Point) -> None:
        """Apply one action and record it.

        Noise moves the gripper but is not recorded, so that demonstrations show how to return from states that they
        would not have visited (DART, Laskey et al. 2017). Velocity and noise are in units of actions.
        """
        if len(self.actions) >= self._planner.max_steps:
            raise OutOfStepsError
        meant = self._action(velocity)
        self._physics.step(self._action(meant[:2] + noise))
        self.states.append(self._physics.state)
        self.actions.append(meant)

    def _action(self, velocity: Point) -> npt.NDArray[np.float32]:
        return np.append(np.clip(velocity, -1.0, 1.0), self._fingers).astype(np.float32)

    def _noise(self) -> Point:
        planner = self._planner
        if not planner.action_noise or self._rng.random() >= planner.noisy_share:
            return np.zeros(2)
        return planner.action_noise * self._rng.standard_normal(2)


def _fixed(point: Point) -> Callable[[], Point]:
    return lambda: point
