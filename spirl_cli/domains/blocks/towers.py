"""What was stacked: the metrics and rewards of block stacking.

*Stacked* is strict: a tower of n blocks that the gripper does not touch counts n. It stands by itself: every
block is upright and at rest, and what it bears has its centre of mass over it. And it was stacked: every block
but the lowest was carried through the air to right above the one it stands on, and let go there. What
was thrown, dropped from high above, or pushed onto another adds nothing. A lone block, or one that came to
stand without being put, counts 1 if it was lifted before, else 0.

*Height* is the looser metric of the published curves: the top of the highest block that was lifted
before, does not touch the gripper, and rests on the table or on blocks that do, whichever way; in blocks.
"""

from __future__ import annotations

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.physics import TABLE, BlocksPhysics
from spirl_cli.domains.blocks.standing import LEVEL_TOLERANCE, Arrangement, Standing, arrange, levels, standing

LIFTED_BY = 0.01  # m above the table
DROP = geometry.HALF  # m; a block that is let go higher above another is not put there


class Towers:
    """Watches the blocks of one episode, from :meth:`look` to look.

    Attributes:
        lifted: blocks that both fingers held in the air while these touched nothing else.
        delivered: of them, those that were put onto another block and stood there, in a tower.
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
        self.stacked, self.height = 0, 0.0
        self._carried: set[int] = set()  # of those that are held now, the ones that were in the air since
        self._put: dict[int, set[int]] = {}  # right above which others a block was when it was last carried

    def look(self) -> None:
        """Take in where the blocks are now."""
        lie = arrange(self._physics)
        self.held = lie.held
        if not (lie.held or self.lifted):
            return  # there is nothing to count yet
        self._follow(lie)
        matter = self.lifted.union(lie.below, *lie.below.values())  # others cannot be part of a tower
        self._count(lie, standing(lie, self._physics, matter))
        self.height = self._height(lie)

    def _follow(self, lie: Arrangement) -> None:
        """Note which blocks are carried, and what they are right above of."""
        self._carried &= lie.held
        for block in lie.held:
            y, z, _ = lie.places[block]
            if block not in lie.resting | lie.meeting and z > geometry.HALF + LIFTED_BY:
                self._carried.add(block)
                self.lifted.add(block)
            if block in self._carried:
                self._put[block] = {
                    other
                    for other, (other_y, other_z, _) in enumerate(lie.places)
                    if abs(y - other_y) <= geometry.HALF and -LEVEL_TOLERANCE <= z - other_z - geometry.BLOCK <= DROP
                }
        for block in lie.resting & self._put.keys():
            del self._put[block]

    def _count(self, lie: Arrangement, upright: Standing) -> None:
        """Count the tallest tower of blocks that nothing touches and that were put where they stand."""
        free = {block: support for block, support in upright.items() if block not in lie.touched}
        put = {block: on for block, on in free.items() if on == TABLE or on in self._put.get(block, ())}
        self.stacked = int(not self.lifted.isdisjoint(free))
        for block, level in levels(put).items():
            if level > 1:
                self.delivered.add(block)
                self.stacked = max(self.stacked, level)

    def _height(self, lie: Arrangement) -> float:
        """Return the height of the top of the highest block that was lifted and rests on something, in blocks."""
        places = lie.places
        supported = lie.resting - lie.held
        for block in sorted(lie.below.keys() - lie.held, key=lambda block: places[block][1]):
            if not supported.isdisjoint(lie.below[block]):
                supported.add(block)
        tops = [places[block][1] for block in supported & self.lifted - lie.touched]
        return (max(tops) + geometry.HALF) / geometry.BLOCK if tops else 0.0
