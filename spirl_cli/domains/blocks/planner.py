"""Demonstrations of stacking: pick and place in closed loop, with retries and detours (docs/blocks.md#demonstrations).

Blocks lie at random, some of them on a tower already. The planner puts one block after the other onto another block. A
way goes up, across and down; each of these segments has one sub-goal that is displaced sideways, so that the data cover
more than straight lines. The planner repeats failed grasps and placements. A demonstration that does not finish within
its steps is discarded, and another one is drawn.

An agent sees a few decimetres only, hence not the towers ahead of it. If demonstrations travelled just above the
towers, which the planner knows, agents would run into theirs. So demonstrations travel high (`travel_height`).

Blocks may lie too close for a finger between them. An agent that tries to take such a block lands on the neighbour and
stays there, unless demonstrations show how to leave. So some demonstrations begin in this way (`failed_grasps`): the
recorded actions rise while the gripper is pressed down for a while; then it goes to another block.
"""

from __future__ import annotations

import numpy as np

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.physics import BlocksPhysics
from spirl_cli.domains.blocks.pilot import ACCESS, CLEARANCE, CLOSE, OPEN, OutOfStepsError, Pilot, Point
from spirl_cli.domains.blocks.section import BlocksPlanner
from spirl_cli.domains.blocks.standing import Supports, arrange, levels, standing
from spirl_cli.domains.domain import GeneratedEpisode

ACTIONS = 3
START_HEIGHT = (0.1, 0.2)  # m, height of the gripper above the highest block
CLOSE_GAP = 0.002  # m, smallest gap between blocks in demonstrations that begin with a failed grasp
RESTING = 0.003  # m, largest height of the fingers above the block on which they land
PRESSED = (3, 20)  # steps for which the gripper is pressed down, least and most
GIVES_WAY = 0.012  # m; a gripper that sinks farther does not rest on a block
OFF_CENTRE = 0.008  # m, standard deviation of half of the failed grasps; the others are uniform above a block
ATTEMPTS = 200  # failed demonstrations in a row after which the planner gives up


def stack_episode(planner: BlocksPlanner, seed: np.random.SeedSequence) -> GeneratedEpisode:
    """Try until a demonstration succeeds.

    Returns:
        states `(T+1, 8 + 3·n)`, see `spirl_cli.domains.blocks.geometry`; actions `(T, 3)`; and the number of attempts.

    Raises:
        RuntimeError: none of 200 attempts succeeded.
    """
    rng = np.random.default_rng(seed)
    physics = BlocksPhysics(planner.blocks)
    for number in range(1, ATTEMPTS + 1):
        attempt = StackingAttempt(planner, physics, rng)
        if attempt.perform():
            states = np.array(attempt.pilot.states, np.float32)
            return GeneratedEpisode(states, np.array(attempt.pilot.actions, np.float32), attempts=number)
    raise RuntimeError(f"none of {ATTEMPTS} demonstrations succeeded: allow more steps in extract.blocks_planner")


class StackingAttempt:
    """One attempt at a demonstration, while it is performed.

    Attributes:
        pilot: moves the gripper and has recorded states and actions so far.
    """

    def __init__(self, planner: BlocksPlanner, physics: BlocksPhysics, rng: np.random.Generator) -> None:
        self._planner, self._physics, self._rng = planner, physics, rng
        if rng.random() >= planner.failed_grasps:
            places = self._draw_places(geometry.GAP)
            half = geometry.half_length(planner.blocks)
            height = places[:, 1].max() + geometry.HALF + rng.uniform(*START_HEIGHT)
            self._begin((rng.uniform(-half, half), height), places)
        else:
            while not self._begin_with_failed_grasp():
                pass

    def _draw_places(self, gap: float) -> Point:
        stacked = int(self._rng.integers(self._planner.stacked + 1))
        return geometry.random_places(self._planner.blocks, stacked, self._rng, gap)

    def _begin(self, gripper: tuple[float, float], places: Point) -> None:
        self._physics.reset(gripper, places)
        self.pilot = Pilot(self._planner, self._physics, self._rng)

    def _begin_with_failed_grasp(self) -> bool:
        """Press the fingers onto blocks; return whether they rest there and another block can be taken."""
        places = self._draw_places(CLOSE_GAP)
        start = self._failed_grasp(places)
        self._begin(start, places)
        self.pilot.press(min(int(self._rng.integers(*PRESSED, endpoint=True)), self._planner.max_steps))
        return start[1] - self.pilot.gripper[1] < GIVES_WAY and self._choose() is not None

    def _failed_grasp(self, places: Point) -> tuple[float, float]:
        """Draw a position (y, z) of the gripper at which a finger rests on a random block or on its neighbour.

        The highest block below fingers and palm decides z.
        """
        half = geometry.half_length(self._planner.blocks)
        outer = geometry.OPENING + 2 * geometry.FINGER_RADIUS  # of the open fingers
        while True:
            near, anywhere = OFF_CENTRE * self._rng.standard_normal(), self._rng.uniform(-geometry.HALF, geometry.HALF)
            y = self._rng.choice(places[:, 0]) + self._rng.choice([near, anywhere])
            away = np.abs(places[:, 0] - y)
            under = (away < geometry.HALF + outer) & (away > geometry.OPENING - geometry.HALF)  # of a finger
            if under.any() and abs(y) < half:
                break
        z = places[under, 1].max() + geometry.HALF + geometry.FINGER_HALF + geometry.FINGER_RADIUS
        return float(y), float(z + self._rng.uniform(0.0, RESTING))

    def perform(self) -> bool:
        """Stack a random number of blocks, as far as they can be taken; return whether some were and no tower fell."""
        before, done = self._raised(), 0
        try:
            for _ in range(self._rng.integers(1, self._planner.stackings + 1)):
                if not self._stack():
                    break
                done += 1
        except OutOfStepsError:
            return False
        return done > 0 and self._raised() == before + done

    def _raised(self) -> int:
        """Return how many blocks stand on others."""
        return sum(level > 1 for level in levels(self._standing).values())

    @property
    def _places(self) -> Point:
        """Return y, z and angle of the blocks `(n, 3)`."""
        return self._physics.places

    @property
    def _standing(self) -> Supports:
        """Return the standing blocks, each with its support."""
        return standing(arrange(self._physics), self._physics, range(self._planner.blocks))

    def _stack(self) -> bool:
        """Put one block onto another; after a failure try again, with other blocks if these can no longer be taken."""
        while (choice := self._choose()) is not None:
            block, target = choice
            while self._can_be_taken(block) and self._is_top(target):
                if self._pick(block):
                    self._place(block, target)
                if self._stands(block, target):
                    return True
        return False

    def _choose(self) -> tuple[int, int] | None:
        """Draw a block on the table that can be taken, and a block to put it onto; None if there is no such pair.

        Blocks of towers are never taken: a prior of such demonstrations would take its own towers down.
        """
        heights = levels(self._standing)
        tops = [block for block in heights if self._is_top(block)]
        free = [block for block in tops if heights[block] == 1 and self._can_be_taken(block)]
        if len(tops) < 2 or not free:
            return None
        tallest = max(heights[block] for block in tops)
        if self._rng.random() < self._planner.onto_tallest:
            targets = [block for block in tops if heights[block] == tallest]
        else:
            targets = tops
        others = [block for block in tops if free != [block]]  # the only free block cannot be put onto itself
        target = int(self._rng.choice([block for block in targets if block in others] or others))
        return int(self._rng.choice([block for block in free if block != target])), target

    def _is_top(self, block: int) -> bool:
        """Say whether a block stands and bears no other."""
        offset = self._places[:, :2] - self._places[block, :2]
        covered = (np.abs(offset[:, 0]) < geometry.BLOCK) & (offset[:, 1] > geometry.HALF)
        covered &= offset[:, 1] < 1.5 * geometry.BLOCK
        return block in levels(self._standing) and not covered.any()

    def _can_be_taken(self, block: int) -> bool:
        """Say whether a block bears no other and has room for the fingers on both sides."""
        if not self._is_top(block):
            return False
        offset = np.abs(np.delete(self._places[:, :2] - self._places[block, :2], block, axis=0))
        beside = (offset[:, 0] < geometry.BLOCK + ACCESS) & (offset[:, 1] < geometry.HALF + geometry.FINGER_HALF)
        return not beside.any()

    def _stands(self, block: int, target: int) -> bool:
        return self._standing.get(block) == target

    def _pick(self, block: int) -> bool:
        """Grasp a block; return whether the fingers hold it."""
        self.pilot.grip(OPEN)
        self.pilot.travel(lambda: self._places[block, :2])
        self.pilot.grip(CLOSE)
        return block in arrange(self._physics).held

    def _place(self, block: int, target: int) -> None:
        """Put the held block onto another, let go and rise."""
        hang = self._places[block, :2] - self.pilot.gripper  # position of the block relative to the fingers
        lowered = np.array([0.0, geometry.BLOCK + 0.002]) - hang
        self.pilot.travel(lambda: self._places[target, :2] + lowered, carried=block)
        self.pilot.grip(OPEN)
        self.pilot.rise(geometry.HALF + CLEARANCE)
