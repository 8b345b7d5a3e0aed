"""The metrics of block stacking: which blocks were stacked, and how high.

*Stacked* is strict: it counts the n blocks of a tower that the gripper does not touch. The tower must stand by itself:
every block is upright and at rest, and the centre of mass of the blocks above lies over it. And the tower must be
built: every block but the lowest was carried through the air to a place right above its support and released there. A
block that was thrown, dropped from high above, or pushed onto another does not count. A lone block, or one that was not
placed, counts 1 if it was lifted before, else 0.

*Height* is the looser metric of the published curves, in units of blocks: the top of the highest block that was lifted
before, does not touch the gripper, and rests on the table or on other resting blocks.
"""

from __future__ import annotations

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.physics import TABLE, BlocksPhysics
from spirl_cli.domains.blocks.standing import LEVEL_TOLERANCE, Arrangement, Supports, arrange, levels, standing

LIFTED_BY = 0.01  # m above the table
DROP = geometry.HALF  # m, largest height above another block at which a released block counts as placed


class Towers:
    """Follows the blocks of one episode; `update` is called after every step.

    Attributes:
        lifted: blocks that both fingers have held in the air while the blocks touched nothing else.
        delivered: lifted blocks that were placed on another block and stood there, in a tower.
        held: blocks between both fingers now.
        stacked: the metric *stacked*, now.
        height: the metric *height*, now.
    """

    def __init__(self, physics: BlocksPhysics) -> None:
        self._physics = physics
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new episode starts."""
        self.lifted: set[int] = set()
        self.delivered: set[int] = set()
        self.held: set[int] = set()
        self.stacked, self.height = 0, 0.0
        self._carried: set[int] = set()  # held blocks that were in the air since they were grasped
        self._put: dict[int, set[int]] = {}  # carried block → the blocks right below its last position in the air

    def update(self) -> None:
        """Update the metrics from the present state."""
        arrangement = arrange(self._physics)
        self.held = arrangement.held
        if not (arrangement.held or self.lifted):
            return  # there is nothing to count yet
        self._follow(arrangement)
        # other blocks cannot be part of a tower
        candidates = self.lifted.union(arrangement.below, *arrangement.below.values())
        self._count(arrangement, standing(arrangement, self._physics, candidates))
        self.height = self._height(arrangement)

    def _follow(self, arrangement: Arrangement) -> None:
        """Note which blocks are carried, and which blocks are right below them."""
        self._carried &= arrangement.held
        for block in arrangement.held:
            y, z, _ = arrangement.places[block]
            if block not in arrangement.resting | arrangement.meeting and z > geometry.HALF + LIFTED_BY:
                self._carried.add(block)
                self.lifted.add(block)
            if block in self._carried:
                self._put[block] = {
                    other
                    for other, (other_y, other_z, _) in enumerate(arrangement.places)
                    if abs(y - other_y) <= geometry.HALF and -LEVEL_TOLERANCE <= z - other_z - geometry.BLOCK <= DROP
                }
        for block in arrangement.resting & self._put.keys():
            del self._put[block]

    def _count(self, arrangement: Arrangement, upright: Supports) -> None:
        """Count the tallest tower of blocks that were placed on their supports and do not touch the gripper."""
        free = {block: support for block, support in upright.items() if block not in arrangement.touched}
        put = {block: on for block, on in free.items() if on == TABLE or on in self._put.get(block, ())}
        self.stacked = int(not self.lifted.isdisjoint(free))
        for block, level in levels(put).items():
            if level > 1:
                self.delivered.add(block)
                self.stacked = max(self.stacked, level)

    def _height(self, arrangement: Arrangement) -> float:
        """Return the top of the highest block that was lifted and rests, in units of blocks."""
        places = arrangement.places
        supported = arrangement.resting - arrangement.held
        for block in sorted(arrangement.below.keys() - arrangement.held, key=lambda block: places[block][1]):
            if not supported.isdisjoint(arrangement.below[block]):
                supported.add(block)
        tops = [places[block][1] for block in supported & self.lifted - arrangement.touched]
        return (max(tops) + geometry.HALF) / geometry.BLOCK if tops else 0.0
