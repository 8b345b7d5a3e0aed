"""Which block stands on which, decided from positions, speeds and contacts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.physics import LEFT, PALM, RIGHT, TABLE, BlocksPhysics

UPRIGHT = math.radians(5)
STILL, TURNING = 0.05, 0.5  # m/s and rad/s; slower blocks are at rest
LEVEL_TOLERANCE = 0.01  # m, tolerance of the height of a block above its support
LOWER = geometry.BLOCK / 4  # m, least height difference between a block and its support

# Block → its support, which is another block or `TABLE`; lower blocks come first.
Supports: TypeAlias = dict[int, int]


class Arrangement(NamedTuple):
    """Positions and contacts of the blocks at one moment.

    Attributes:
        places: y, z and angle of every block; lists, which are faster than arrays for single numbers.
        resting: blocks that touch the table.
        meeting: blocks that touch another block.
        below: block → the lower blocks that it touches.
        touched: blocks that touch the gripper.
        held: blocks between both fingers.
    """

    places: list[list[float]]
    resting: set[int]
    meeting: set[int]
    below: dict[int, list[int]]
    touched: set[int]
    held: set[int]


def arrange(physics: BlocksPhysics) -> Arrangement:
    """Return the present arrangement of the blocks."""
    places: list[list[float]] = physics.places.tolist()
    arrangement = Arrangement(places, set(), set(), {}, set(), set())
    touching = physics.touching()
    for one, other in touching:
        if one == TABLE:
            arrangement.resting.add(other)
        elif one >= 0:
            arrangement.meeting.update((one, other))
            rise = places[one][1] - places[other][1]
            if rise >= LOWER:
                arrangement.below.setdefault(one, []).append(other)
            elif rise <= -LOWER:
                arrangement.below.setdefault(other, []).append(one)
        elif one >= PALM:
            arrangement.touched.add(other)
            if one == LEFT and (RIGHT, other) in touching:
                arrangement.held.add(other)
    return arrangement


def standing(arrangement: Arrangement, physics: BlocksPhysics, blocks: Iterable[int]) -> Supports:
    """Return the blocks that are upright, at rest, not held, and stable without contacts from the side.

    Args:
        arrangement: the present arrangement.
        physics: the simulation at the same moment.
        blocks: the candidates; they must include the blocks below and above each of them.
    """
    speeds: list[list[float]] = physics.speeds.tolist()
    places = arrangement.places
    found: Supports = {}
    for block in sorted(blocks, key=lambda block: places[block][1]):
        y, z, angle = places[block]
        along_y, along_z, turning = speeds[block]
        moves = abs(along_y) > STILL or abs(along_z) > STILL or abs(turning) > TURNING
        if moves or abs(angle) > UPRIGHT or block in arrangement.held:
            continue
        if block in arrangement.resting:
            found[block] = TABLE
            continue
        for support in arrangement.below.get(block, ()):
            over, above = y - places[support][0], z - places[support][1]
            fits = abs(over) <= geometry.HALF and abs(above - geometry.BLOCK) <= LEVEL_TOLERANCE
            if support in found and fits:
                found[block] = support
    return found if set(found.values()) <= {TABLE} else _balanced(found, places)


def levels(upright: Supports) -> dict[int, int]:
    """Return the level of every block in a chain of supports that ends on the table: 1, 2 and up from below."""
    found = {TABLE: 0}
    for block, support in upright.items():
        if support in found:
            found[block] = found[support] + 1
    del found[TABLE]
    return found


def _balanced(upright: Supports, places: list[list[float]]) -> Supports:
    """Leave out blocks that would tip over: their centre of mass, with all blocks above, is not over the support."""
    count = dict.fromkeys(upright, 1)
    moment = {block: places[block][0] for block in upright}
    for block, support in reversed(upright.items()):  # from the top down
        if support != TABLE:
            count[support] += count[block]
            moment[support] += moment[block]
    return {
        block: support
        for block, support in upright.items()
        if support == TABLE or abs(moment[block] / count[block] - places[support][0]) <= geometry.HALF
    }
