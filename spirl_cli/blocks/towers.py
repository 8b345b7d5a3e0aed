"""Which blocks stand on which, and what was done with them: the metrics and rewards of block stacking.

*Stacked* is strict: a tower of n blocks at rest, none of them held, counts n. Every block of it stands
upright with its middle over the block below, so that it would stay where it is, and all but the lowest
were lifted by the fingers before. A lone block counts 1 if it was lifted before, else 0.

*Height* is the looser metric of the published curves: the top of the highest block that was lifted
before, does not touch the gripper, and rests on the table or on blocks that do, whichever way; in blocks.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from spirl_cli.blocks import scene
from spirl_cli.blocks.physics import LEFT, PALM, RIGHT, TABLE, BlocksPhysics

UPRIGHT = math.radians(5)
STILL, TURNING = 0.05, 0.5  # m/s and rad/s; what is slower is at rest
LEVEL_TOLERANCE = 0.01  # m, by which the middle of a block may differ from one block above the next
LIFTED_BY = 0.01  # m above the table

Places: TypeAlias = list[list[float]]  # y, z and angle of every block
Below: TypeAlias = dict[int, list[int]]


class Towers:
    """Watches the blocks of one episode, from :meth:`look` to look.

    Attributes:
        lifted: blocks that both fingers held while these touched nothing else. Blocks that lay on others from
            the start may be added, to count as if they had been lifted.
        delivered: of them, those that stood on another block later.
        held: blocks between both fingers now.
        stacked: as above, now.
        height: as above, now.
    """

    def __init__(self, physics: BlocksPhysics) -> None:
        self._physics = physics
        self.reset()

    def reset(self) -> None:
        """Forget everything; for a new episode."""
        self.lifted: set[int] = set()
        self.delivered: set[int] = set()
        self.held: set[int] = set()
        self.levels: dict[int, int] = {}
        self.stacked, self.height = 0, 0.0

    def look(self) -> None:
        """Take in where the blocks are now."""
        touching = self._physics.touching()
        places: list[list[float]] = self._physics.places.tolist()  # lists, since they are small and looked at singly
        self.held = {block for other, block in touching if other == LEFT and (RIGHT, block) in touching}
        resting = {block for other, block in touching if other == TABLE}
        below, meeting = _meetings(touching, places)
        for block in self.held - self.lifted - resting - meeting:
            if places[block][1] > scene.HALF + LIFTED_BY:
                self.lifted.add(block)
        upwards = sorted(range(len(places)), key=lambda block: places[block][1])
        self.levels = self._levels(upwards, places, resting, below)
        touched = {block for other, block in touching if PALM <= other <= RIGHT}
        self.height = self._height(upwards, places, resting, below, touched)
        self.delivered |= {block for block, level in self.levels.items() if level > 1 and block in self.lifted}
        tallest = max(self.levels.values(), default=0)
        self.stacked = tallest if tallest > 1 else int(not self.lifted.isdisjoint(self.levels))

    def _levels(self, upwards: list[int], places: Places, resting: set[int], below: Below) -> dict[int, int]:
        """Return for every block of a tower, lone ones included, which one it is from below, 1 and up.

        What was pushed onto another block without being lifted belongs to no tower.
        """
        speeds: list[list[float]] = self._physics.speeds.tolist()
        levels: dict[int, int] = {}
        for block in upwards:
            y, z, angle = places[block]
            along_y, along_z, turning = speeds[block]
            moves = abs(along_y) > STILL or abs(along_z) > STILL or abs(turning) > TURNING
            if block in self.held or moves or abs(angle) > UPRIGHT:
                continue
            if block in resting:
                levels[block] = 1
                continue
            for support in below.get(block, ()) if block in self.lifted else ():
                over, above = y - places[support][0], z - places[support][1]
                fits = abs(over) <= scene.HALF and abs(above - scene.BLOCK) <= LEVEL_TOLERANCE
                if support in levels and fits:
                    levels[block] = levels[support] + 1
        return levels

    def _height(self, upwards: list[int], places: Places, resting: set[int], below: Below, touched: set[int]) -> float:
        """Return the height of the top of the highest block that was lifted and rests on something, in blocks."""
        supported = resting - self.held
        for block in upwards:
            if block in below and block not in self.held and not supported.isdisjoint(below[block]):
                supported.add(block)
        tops = [places[block][1] for block in supported & self.lifted - touched]
        return (max(tops) + scene.HALF) / scene.BLOCK if tops else 0.0


def _meetings(touching: set[tuple[int, int]], places: Places) -> tuple[Below, set[int]]:
    """Return for blocks those that they touch and that lie lower by a quarter of a block, and all that touch any."""
    below: Below = {}
    meeting: set[int] = set()
    for one, other in touching:
        if one < 0:
            continue
        meeting |= {one, other}
        rise = places[one][1] - places[other][1]
        if abs(rise) >= scene.BLOCK / 4:
            upper, lower = (one, other) if rise > 0 else (other, one)
            below.setdefault(upper, []).append(lower)
    return below, meeting
