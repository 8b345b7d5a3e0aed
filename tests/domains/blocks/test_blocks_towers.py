"""What counts as stacked: towers that were built, and nothing that only looks like one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.physics import BlocksPhysics
from spirl_cli.domains.blocks.standing import arrange, levels, standing
from spirl_cli.domains.blocks.towers import Towers
from tests.support.blocks_data import row

HALF, BLOCK = geometry.HALF, geometry.BLOCK


class Table:
    """Blocks in a row with a gripper, and the towers that are watched at every step as the environment does."""

    def __init__(self, places: np.ndarray, gripper: tuple[float, float] = (0.0, 0.3)) -> None:
        self.physics = BlocksPhysics(len(places))
        self.physics.reset(gripper, places)
        self.towers = Towers(self.physics)
        self.towers.update()

    def act(self, y: float, z: float, fingers: float, steps: int = 1) -> None:
        for _ in range(steps):
            self.physics.step(np.array([y, z, fingers]))
            self.towers.update()

    def go(self, y: float, z: float, fingers: float, steps: int = 60) -> None:
        for _ in range(steps):
            offset = np.array([y, z]) - self.physics.state[:2]
            self.act(*np.clip(12 * offset, -1, 1), fingers)
            if np.abs(offset).max() < 0.004:
                break

    def take(self, block: int, height: float = 0.3) -> None:
        """Grasp a block and lift it to a height."""
        y, z = self.physics.places[block, :2]
        self.go(self.physics.state[0], 0.45, 1.0)
        self.go(y, 0.45, 1.0)
        self.go(y, z, 1.0)
        self.act(0, 0, -1.0, 4)
        self.go(y, height, -1.0)

    def put(self, block: int, target: int, drop: float = 0.002, aside: float = 0.0) -> None:
        """Put a block onto another, from some height above it, and go away."""
        self.take(block)
        y, z = self.physics.places[target, :2]
        self.go(y + aside, z + 0.25, -1.0)
        self.go(y + aside, z + BLOCK + drop, -1.0)
        self.act(0, 0, 1.0, 5)
        self.go(y + aside, z + 0.35, 1.0)

    def levels(self) -> list[int]:
        """Of all blocks, 0 for those that do not stand."""
        count = self.physics.blocks
        found = levels(standing(arrange(self.physics), self.physics, range(count)))
        return [found.get(block, 0) for block in range(count)]


def tower(*y: float) -> np.ndarray:
    """Blocks on one another, from below, with their middles at y."""
    return np.array([[middle, HALF + level * BLOCK, 0.0] for level, middle in enumerate(y)])


# ---- what is a tower


def test_a_tower_counts_its_blocks_once_they_are_let_go() -> None:
    table = Table(row(4))
    assert (table.towers.stacked, table.towers.height, table.towers.lifted) == (0, 0.0, set())
    for level, (block, target) in enumerate(((1, 0), (2, 1)), start=1):
        table.put(block, target)
        assert table.towers.stacked == level + 1
        assert table.towers.delivered == table.towers.lifted == set(range(1, level + 1))
        np.testing.assert_allclose(table.towers.height, level + 1, atol=0.05)


def test_a_block_that_is_held_above_another_does_not_count() -> None:
    table = Table(row(3))
    table.take(0)
    y, z = table.physics.places[1, :2]
    for drop in (0.01, 0.0, -0.004):  # the last presses it onto the other
        table.go(y, z + BLOCK + drop, -1.0)
        assert table.towers.held == {0} and table.towers.stacked == 0
    table.act(0, 0, 1.0, 3)
    assert table.towers.stacked == 2, "it is put there as soon as it is let go"


def test_a_tower_that_is_touched_does_not_count() -> None:
    table = Table(row(4))
    table.put(0, 1)
    assert table.towers.stacked == 2
    y, z = table.physics.places[0, :2]
    table.go(y + 0.2, z, -1.0)
    for _ in range(60):  # closed fingers come nearer, until they push it
        table.act(-0.1, 0, -1.0)
        if arrange(table.physics).touched:
            break
    assert arrange(table.physics).touched == {0} and table.towers.stacked == 0
    table.act(0.5, 0, -1.0, 3)
    assert table.towers.stacked == 2


def test_a_lone_block_counts_once_it_was_lifted_and_is_back() -> None:
    table = Table(row(2))
    table.take(0)
    assert (table.towers.stacked, table.towers.height) == (0, 0.0)
    table.act(0, 0, 1.0, 8)
    assert table.towers.stacked == 1
    np.testing.assert_allclose(table.towers.height, 1.0, atol=0.05)


def test_what_was_stacked_before_is_no_merit() -> None:
    table = Table(np.concatenate([tower(-0.15, -0.15), [[0.15, HALF, 0.0]]]), (0.15, 0.3))
    table.act(0, 0, 1.0, 3)
    assert table.levels() == [1, 2, 1]
    assert (table.towers.stacked, table.towers.height, table.towers.delivered) == (0, 0.0, set())
    table.put(2, 1)
    assert table.levels() == [1, 2, 3]
    assert table.towers.stacked == 1 and not table.towers.delivered, "the second block was not put there"
    assert table.towers.height > 2.9, "the looser metric of the published curves"


# ---- what stands by itself


@pytest.mark.parametrize("offsets", [(0.0, 0.03, 0.0), (0.0, 0.02, 0.04), (0.0, 0.035, 0.035)])
def test_a_crooked_tower_that_stands_is_one(offsets: tuple[float, ...]) -> None:
    table = Table(np.concatenate([tower(*offsets), [[0.25, HALF, 0.0]]]), (-0.25, 0.35))
    table.act(0, 0, 1.0, 20)
    assert table.levels()[:3] == [1, 2, 3]


@pytest.mark.parametrize("step", [0.02, 0.024, 0.028])
def test_a_tower_that_leans_on_the_wall_is_none(step: float) -> None:
    wall = geometry.half_length(4) - HALF
    table = Table(tower(*(wall - step * np.arange(3, -1, -1))), (-0.2, 0.5))
    table.act(0, 0, 1.0, 40)
    places = table.physics.places
    assert np.abs(places[:, 2]).max() < math.radians(1) and np.abs(table.physics.speeds[:, :2]).max() < 0.05
    assert places[3, 1] > 3.4 * BLOCK, "it stays as it was put"
    assert max(table.levels()) < 4


def test_a_tower_that_leans_on_the_gripper_is_none() -> None:
    beside = 0.06 + HALF + geometry.OPENING + 2 * geometry.FINGER_RADIUS
    table = Table(tower(0.0, 0.03, 0.06), (beside, HALF + 2 * BLOCK))
    table.act(0, 0, 1.0, 40)
    assert table.physics.places[2, 1] > 2.4 * BLOCK and max(table.levels()) == 1
    table.act(1, 0, 1.0, 10)
    assert table.physics.places[2, 1] < 2 * BLOCK, "it falls without it"


def test_a_block_that_leans_is_no_part_of_a_tower() -> None:
    places = row(3)
    places[2] = places[0] + [BLOCK * 0.9, BLOCK, 0.4]  # falls between the others or beside
    table = Table(places, (0.3, 0.4))
    for _ in range(40):
        table.act(0, 0, 1.0)
        assert max(table.levels()) <= 1


# ---- what was stacked


@pytest.mark.parametrize("drop", [0.002, 0.02, 0.035])
def test_a_block_may_be_let_go_a_little_above_another(drop: float) -> None:
    table = Table(row(3))
    table.put(0, 1, drop, aside=0.01)
    assert table.towers.stacked == 2


@pytest.mark.parametrize("drop", [0.06, 0.15, 0.3])
def test_a_block_that_falls_onto_another_is_not_stacked(drop: float) -> None:
    table = Table(row(5))
    table.put(0, 1, drop)
    assert table.levels()[:2] == [2, 1] and table.towers.stacked == 1
    assert table.towers.height > 1.9 and not table.towers.delivered
    table.put(0, 1)
    assert table.towers.stacked == 2, "it can still be stacked"


def test_a_block_that_is_thrown_onto_another_is_not_stacked() -> None:
    landed = 0
    for lead in np.linspace(0.06, 0.14, 5):
        table = Table(row(5))
        table.take(1, 0.3)
        while table.physics.state[0] < table.physics.places[3, 0] - lead:
            table.act(1.0, 0, -1.0)
        table.act(1.0, 0.3, 1.0, 6)
        table.act(0, 0, 1.0, 20)
        landed += max(table.levels()) == 2
        assert table.towers.stacked <= 1 and not table.towers.delivered
    assert landed, "none came to stand on another"


@pytest.mark.parametrize(("seed", "climbs"), [(4, 2), (12, 3)])
def test_pushing_blocks_that_were_lifted_stacks_nothing(seed: int, climbs: int) -> None:
    """Blocks that are pressed against the wall climb onto one another."""
    rng, climbed = np.random.default_rng(seed), 0
    places = row(3)
    places[:, 0] = geometry.half_length(3) - HALF - 0.001 - 0.0805 * np.arange(2, -1, -1)
    table = Table(places, (places[0, 0] - 0.15, rng.uniform(0.036, 0.08)))
    rng.choice(2)
    table.towers.lifted = set(range(3))
    for _ in range(90):
        table.act(1.0, rng.uniform(-0.5, 0.5), 1.0)
        climbed = max(climbed, *table.levels())
        assert table.towers.stacked <= 1 and not table.towers.delivered
    assert climbed >= climbs, "too few climbed onto another"


def test_pushing_all_blocks_together_stacks_nothing() -> None:
    table = Table(row(5), (-0.5, 0.3))
    for y, z in ((-0.5, 0.04), (0.5, 0.05), (0.5, 0.3), (0.5, 0.04), (-0.5, 0.06)):
        table.go(y, z, -1.0, 45)
        assert table.towers.stacked == 0 and not table.towers.lifted
