"""Demonstrations of stacking: pick and place in closed loop, with retries and detours (METHOD §3).

Blocks lie at random, some on a tower already. One block after the other is put onto another. A way is up,
across and down; each of these segments leads past one sub-goal that is displaced sideways, so that the
data cover more than straight lines. What went wrong is tried again; a demonstration that does not get
done within its steps is not kept, and another one is drawn.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spirl_cli.blocks import scene
from spirl_cli.blocks.physics import CONTROL_SECONDS, SPEED, BlocksPhysics
from spirl_cli.blocks.towers import Towers
from spirl_cli.demos.chunks import GeneratedEpisode
from spirl_cli.demos.generation import Generator
from spirl_cli.recipe.schema import BlocksPlanner

ACTIONS = 3
STEP_LENGTH = SPEED * CONTROL_SECONDS  # m, of an action of 1
OPEN, CLOSE = 1.0, -1.0
PASSED, REACHED = 0.03, 0.006  # m: how near to a sub-goal on the way, and to the end of a way
SLOW = 0.05  # m/s, at the end of a way
CLEARANCE = 0.03  # m between what moves and what it passes over
ACCESS = 2 * scene.FINGER_RADIUS + scene.OPENING - scene.HALF + 0.004  # m beside a block that open fingers need
START_HEIGHT = (0.1, 0.2)  # m above the highest block, of the gripper
GRIP_STEPS = 3  # of closing or opening the fingers
PATIENCE = 30  # steps towards a sub-goal before it is given up
DETOUR = (0.2, 0.8)  # part of a segment in which its displaced sub-goal lies
ATTEMPTS = 200  # demonstrations in a row without success before it is called impossible

Point = npt.NDArray[np.float64]


class OutOfStepsError(Exception):
    """A demonstration has taken as many steps as it may."""


def blocks_generator(name: str, planner: BlocksPlanner, episodes: int, seed: int) -> Generator:
    """Return the generator of a set of demonstrations."""
    make = functools.partial(stack_numbered, planner, seed)
    bound = np.ones(ACTIONS, np.float32)
    return Generator(name, make, episodes, -bound, bound)


def stack_numbered(planner: BlocksPlanner, seed: int, number: int) -> GeneratedEpisode:
    """Return the episode of a number, 0 and up, of the set that ``seed`` decides."""
    return stack_episode(planner, np.random.SeedSequence(seed, spawn_key=(number,)))


def stack_episode(planner: BlocksPlanner, seed: np.random.SeedSequence) -> GeneratedEpisode:
    """Try until a demonstration succeeds.

    Returns:
        states (T+1, 8 + 3·n), see `spirl_cli.blocks.scene`; actions (T, 3); and how many were tried.

    Raises:
        RuntimeError: none of 200 succeeded.
    """
    rng = np.random.default_rng(seed)
    physics = BlocksPhysics(planner.blocks)
    for attempt in range(1, ATTEMPTS + 1):
        demonstration = Demonstration(planner, physics, rng)
        if demonstration.perform():
            states = np.array(demonstration.states, np.float32)
            return GeneratedEpisode(states, np.array(demonstration.actions, np.float32), attempts=attempt)
    raise RuntimeError(f"none of {ATTEMPTS} demonstrations succeeded: allow more steps in extract.blocks_planner")


class Demonstration:
    """One demonstration while it is performed.

    Attributes:
        states: so far, T+1 of (8 + 3·n,).
        actions: so far, T of (3,).
    """

    def __init__(self, planner: BlocksPlanner, physics: BlocksPhysics, rng: np.random.Generator) -> None:
        self._planner, self._physics, self._rng = planner, physics, rng
        places = scene.random_places(planner.blocks, int(rng.integers(planner.stacked + 1)), rng)
        half = scene.half_length(planner.blocks)
        height = places[:, 1].max() + scene.HALF + rng.uniform(*START_HEIGHT)
        physics.reset((rng.uniform(-half, half), height), places)
        self._towers = Towers(physics)
        self._towers.lifted = set(range(planner.blocks))  # also those that lie on others from the start
        self._fingers = OPEN
        self.states = [physics.state]
        self.actions: list[npt.NDArray[np.float32]] = []

    def perform(self) -> bool:
        """Stack as many blocks as were drawn; return whether all came to stand where they should."""
        try:
            self._towers.look()
            return all(self._stack() for _ in range(self._rng.integers(1, self._planner.stackings + 1)))
        except OutOfStepsError:
            return False

    @property
    def _gripper(self) -> Point:
        return self.states[-1][:2]

    @property
    def _places(self) -> Point:
        """y, z and angle of the blocks (n, 3)."""
        return self.states[-1][scene.GRIPPER_NUMBERS :].reshape(-1, scene.BLOCK_NUMBERS)

    def _stack(self) -> bool:
        """Put one block onto another, trying again until it stands there."""
        choice = self._choose()
        if choice is None:
            return False
        block, target = choice
        while not self._stands(block, target):
            if not self._can_be_taken(block) or not self._is_top(target):
                return False  # something fell
            if self._pick(block):
                self._place(block, target)
        return True

    def _choose(self) -> tuple[int, int] | None:
        """Draw a block that can be taken and another, not below it, to put it onto; None if there is none."""
        levels = self._towers.levels
        tops = [block for block in levels if self._is_top(block)]
        free = [block for block in tops if self._can_be_taken(block)]
        if len(tops) < 2 or not free:
            return None
        tallest = max(levels.values())
        if self._rng.random() < self._planner.onto_tallest:
            targets = [block for block in tops if levels[block] == tallest]
        else:
            targets = tops
        target = int(self._rng.choice(targets))
        free = [block for block in free if block != target]
        return None if not free else (int(self._rng.choice(free)), target)

    def _is_top(self, block: int) -> bool:
        """Whether a block stands with nothing on it."""
        offset = self._places[:, :2] - self._places[block, :2]
        covered = (np.abs(offset[:, 0]) < scene.BLOCK) & (offset[:, 1] > scene.HALF)
        covered &= offset[:, 1] < 1.5 * scene.BLOCK
        return block in self._towers.levels and not covered.any()

    def _can_be_taken(self, block: int) -> bool:
        """Whether a block is free on top and has room for the fingers on both sides."""
        if not self._is_top(block):
            return False
        offset = np.abs(np.delete(self._places[:, :2] - self._places[block, :2], block, axis=0))
        beside = (offset[:, 0] < scene.BLOCK + ACCESS) & (offset[:, 1] < scene.HALF + scene.FINGER_HALF)
        return not beside.any()

    def _stands(self, block: int, target: int) -> bool:
        levels = self._towers.levels
        on_top = levels.get(block, 0) > 1 and levels[block] == levels.get(target, 0) + 1
        return on_top and abs(self._places[block, 0] - self._places[target, 0]) < scene.HALF

    def _pick(self, block: int) -> bool:
        """Grasp a block; return whether the fingers hold it."""
        self._grip(OPEN)
        self._travel(lambda: self._places[block, :2])
        self._grip(CLOSE)
        return block in self._towers.held

    def _place(self, block: int, target: int) -> None:
        """Put the block that is held onto another, let go and draw back."""
        hang = self._places[block, :2] - self._gripper  # where it is between the fingers
        lowered = np.array([0.0, scene.BLOCK + 0.002]) - hang
        self._travel(lambda: self._places[target, :2] + lowered, carried=block)
        self._grip(OPEN)
        self._move(_fixed(self._gripper + np.array([0.0, scene.HALF + CLEARANCE])), PASSED)

    def _travel(self, goal: Callable[[], Point], carried: int | None = None) -> None:
        """Go up, across and down to a goal, which may move meanwhile."""
        start, end = self._gripper, goal()
        height = self._safe_height(start[0], end[0], carried) + self._rng.uniform(0.0, CLEARANCE)
        height = min(max(height, start[1], end[1]), scene.ceiling(self._planner.blocks))
        corners = [start, np.array([start[0], height]), np.array([end[0], height]), end]
        for first, second in pairwise(corners):
            detour = self._detour(first, second, carried)
            if detour is not None:
                self._move(_fixed(detour), PASSED)
            if second is not end:
                self._move(_fixed(second), PASSED)
        self._move(goal, REACHED)

    def _safe_height(self, one: float, other: float, carried: int | None) -> float:
        """Return the height at which the gripper passes over all blocks between two places."""
        left, right = min(one, other) - scene.BLOCK - ACCESS, max(one, other) + scene.BLOCK + ACCESS
        places = self._obstacles(carried)
        tops = places[(places[:, 0] > left) & (places[:, 0] < right), 1] + scene.HALF
        return float(tops.max(initial=0.0)) + scene.HALF + CLEARANCE

    def _obstacles(self, carried: int | None) -> Point:
        return self._places if carried is None else np.delete(self._places, carried, axis=0)

    def _detour(self, first: Point, second: Point, carried: int | None) -> Point | None:
        """Draw a sub-goal beside a segment, nearer to it where something is in its way; None if it needs none."""
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
        """Whether gripper and block touch nothing at all of these points (k, 2)."""
        half, top = scene.half_length(self._planner.blocks), scene.ceiling(self._planner.blocks)
        within = (np.abs(points[:, 0]) < half) & (points[:, 1] > scene.BLOCK) & (points[:, 1] < top)
        offset = points[:, None] - self._obstacles(carried)[:, :2]  # (k, n, 2)
        beside = np.abs(offset[..., 0]) > scene.HALF + scene.OPENING + 2 * scene.FINGER_RADIUS
        above = offset[..., 1] > scene.BLOCK + CLEARANCE / 2
        return bool(within.all() and (beside | above).all())

    def _grip(self, fingers: float) -> None:
        """Open or close the fingers, if they are not that way."""
        if fingers != self._fingers:
            self._fingers = fingers
            for _ in range(GRIP_STEPS):
                self._act(np.zeros(2))

    def _move(self, goal: Callable[[], Point], reach: float) -> None:
        """Steer to a point until it is within reach, and slowly where that is near; give up after a while."""
        patience = PATIENCE + 2 * math.hypot(*(goal() - self._gripper)) / STEP_LENGTH
        while patience > 0:
            offset = goal() - self._gripper
            speed = math.hypot(*self.states[-1][2:4])
            if math.hypot(*offset) < reach and (reach > REACHED or speed < SLOW):
                return
            self._act(self._planner.gain * offset)
            patience -= 1

    def _act(self, velocity: Point) -> None:
        """Do one step.

        Raises:
            OutOfStepsError: there are none left.
        """
        if len(self.actions) >= self._planner.max_steps:
            raise OutOfStepsError
        noise = self._planner.action_noise * self._rng.standard_normal(2)
        action = np.append(np.clip(velocity + noise, -1.0, 1.0), self._fingers).astype(np.float32)
        self._physics.step(action)
        self._towers.look()
        self.states.append(self._physics.state)
        self.actions.append(action)


def _fixed(point: Point) -> Callable[[], Point]:
    return lambda: point
