"""Demonstrations of stacking: pick and place in closed loop, with retries and detours (docs/blocks.md#demonstrations).

Blocks lie at random, some on a tower already. One block after the other is put onto another. A way is up,
across and down; each of these segments leads past one sub-goal that is displaced sideways, so that the
data cover more than straight lines. What went wrong is tried again; a demonstration that does not get
done within its steps is not kept, and another one is drawn.

An agent sees some decimetres only, and so cannot know what stands on its way: where demonstrations travel just above
what the planner knows to be there, agents run into their towers. So they travel high (`travel_height`).

Where blocks lie too close for a finger between them, an agent that tries to take one comes to rest on its
neighbour, and stays there if nobody has shown what to do. Some demonstrations begin like that (`failed_grasps`):
for a while the gripper is pressed down against what it is meant to do, which is to rise; then it goes on elsewhere.
"""

from __future__ import annotations

import numpy as np

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.physics import BlocksPhysics
from spirl_cli.domains.blocks.pilot import ACCESS, CLEARANCE, CLOSE, OPEN, OutOfStepsError, Pilot, Point
from spirl_cli.domains.blocks.section import BlocksPlanner
from spirl_cli.domains.blocks.standing import Standing, arrange, levels, standing
from spirl_cli.domains.domain import GeneratedEpisode

ACTIONS = 3
START_HEIGHT = (0.1, 0.2)  # m above the highest block, of the gripper
CLOSE_GAP = 0.002  # m, smallest between blocks where a grasp has failed
RESTING = 0.003  # m, at most so far above what they rest on are the fingers after a failed grasp
PRESSED = (3, 20)  # steps, how long
GIVES_WAY = 0.012  # m; where the gripper gets further down it does not rest
OFF_CENTRE = 0.008  # m, standard deviation: half of the failed grasps were aimed at a block, others anywhere above it
ATTEMPTS = 200  # demonstrations in a row without success before it is called impossible


def stack_episode(planner: BlocksPlanner, seed: np.random.SeedSequence) -> GeneratedEpisode:
    """Try until a demonstration succeeds.

    Returns:
        states (T+1, 8 + 3·n), see `spirl_cli.domains.blocks.geometry`; actions (T, 3); and how many were tried.

    Raises:
        RuntimeError: none of 200 succeeded.
    """
    rng = np.random.default_rng(seed)
    physics = BlocksPhysics(planner.blocks)
    for attempt in range(1, ATTEMPTS + 1):
        demonstration = Demonstration(planner, physics, rng)
        if demonstration.perform():
            states = np.array(demonstration.pilot.states, np.float32)
            return GeneratedEpisode(states, np.array(demonstration.pilot.actions, np.float32), attempts=attempt)
    raise RuntimeError(f"none of {ATTEMPTS} demonstrations succeeded: allow more steps in extract.blocks_planner")


class Demonstration:
    """One demonstration while it is performed.

    Attributes:
        pilot: moves the gripper, and has recorded what was done so far.
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
        """Press the fingers onto blocks; return whether they rest on them, and some other block can be taken."""
        places = self._draw_places(CLOSE_GAP)
        start = self._failed_grasp(places)
        self._begin(start, places)
        self.pilot.press(min(int(self._rng.integers(*PRESSED, endpoint=True)), self._planner.max_steps))
        return start[1] - self.pilot.gripper[1] < GIVES_WAY and self._choose() is not None

    def _failed_grasp(self, places: Point) -> tuple[float, float]:
        """Draw a place (y, z) of the gripper above some block, where a finger rests on that or on its neighbour.

        It is as high as the highest block below the gripper lets the fingers and the palm come down.
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
        """Stack as many blocks as were drawn, or can be taken; return whether any was, and no tower fell."""
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
        """How many blocks stand on others."""
        return sum(level > 1 for level in levels(self._standing).values())

    @property
    def _places(self) -> Point:
        """y, z and angle of the blocks (n, 3)."""
        return self._physics.places

    @property
    def _standing(self) -> Standing:
        """The blocks that stand, and on what."""
        return standing(arrange(self._physics), self._physics, range(self._planner.blocks))

    def _stack(self) -> bool:
        """Put one block onto another, trying again until it stands there, or with others where it cannot any more."""
        while (choice := self._choose()) is not None:
            block, target = choice
            while self._can_be_taken(block) and self._is_top(target):
                if self._pick(block):
                    self._place(block, target)
                if self._stands(block, target):
                    return True
        return False

    def _choose(self) -> tuple[int, int] | None:
        """Draw a block on the table that can be taken and another to put it onto; None if there is none.

        Nothing is taken off a tower: a prior of such demonstrations takes down what it has built.
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
        """Whether a block stands with nothing on it."""
        offset = self._places[:, :2] - self._places[block, :2]
        covered = (np.abs(offset[:, 0]) < geometry.BLOCK) & (offset[:, 1] > geometry.HALF)
        covered &= offset[:, 1] < 1.5 * geometry.BLOCK
        return block in levels(self._standing) and not covered.any()

    def _can_be_taken(self, block: int) -> bool:
        """Whether a block is free on top and has room for the fingers on both sides."""
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
        """Put the block that is held onto another, let go and draw back."""
        hang = self._places[block, :2] - self.pilot.gripper  # where it is between the fingers
        lowered = np.array([0.0, geometry.BLOCK + 0.002]) - hang
        self.pilot.travel(lambda: self._places[target, :2] + lowered, carried=block)
        self.pilot.grip(OPEN)
        self.pilot.rise(geometry.HALF + CLEARANCE)
