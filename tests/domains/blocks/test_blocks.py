"""The world of block stacking: where things are, and how they move."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.physics import BlocksPhysics
from tests.support.blocks_data import grasp, row, steer, wait

# ---- where things are


def test_a_state_has_eight_numbers_and_three_for_each_block() -> None:
    assert (geometry.state_size(5), geometry.state_size(11), geometry.blocks_in(41)) == (23, 41, 11)
    state = BlocksPhysics(3).state
    assert state.shape == (17,) and state[7] == 1.0


@pytest.mark.parametrize(("blocks", "stacked"), [(5, 0), (5, 2), (11, 0), (2, 1)])
def test_blocks_start_apart_and_within_the_walls(blocks: int, stacked: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        places = geometry.random_places(blocks, stacked, rng)
        assert np.abs(places[:, 0]).max() <= geometry.half_length(blocks) - geometry.HALF
        levels = np.rint((places[:, 1] - geometry.HALF) / geometry.BLOCK).astype(int)
        assert levels.max() == stacked and (levels == 0).sum() == blocks - stacked
        gaps = np.diff(places[levels == 0, 0]) - geometry.BLOCK
        assert (gaps >= geometry.GAP - 1e-9).all(), "numbered from left to right, with room for fingers"


def test_angles_of_cubes_are_equal_after_a_quarter_turn() -> None:
    angles = geometry.wrap([0.0, math.pi / 2, -math.pi / 2 + 0.1, math.pi / 4 + 0.01, 7 * math.pi])
    np.testing.assert_allclose(angles, [0.0, 0.0, 0.1, 0.01 - math.pi / 4, 0.0], atol=1e-12)


# ---- physics


def test_a_tower_stands_where_it_was_put() -> None:
    physics = BlocksPhysics(11)
    places = row(11)
    places[:6, 0], places[:6, 1] = -0.6, geometry.HALF + np.arange(6) * geometry.BLOCK
    physics.reset((0.9, 0.3), places)
    wait(physics, 1.0, 100)
    np.testing.assert_allclose(physics.places, places, atol=5e-3)  # contacts give way a little
    assert np.abs(physics.speeds[:, :2]).max() < 0.02, "it may rock by less than a thousandth of a turn"


@pytest.mark.parametrize("seed", range(3))
def test_nothing_sinks_flies_off_or_leaves_the_table(seed: int) -> None:
    physics, rng = BlocksPhysics(5), np.random.default_rng(seed)
    physics.reset((0.0, 0.3), geometry.random_places(5, seed % 3, rng))
    action = np.zeros(3)
    for step in range(600):
        if step % 6 == 0:
            action = rng.uniform(-1.2, 1.2, 3) - [0.0, 0.15, 0.0]
        physics.step(action)
        places = physics.places
        assert places[:, 1].min() > geometry.HALF - 0.012, "a block is in the table"
        assert places[:, 1].max() < geometry.ceiling(5) + 0.1, "a block flew off"
        assert np.abs(places[:, 0]).max() < geometry.half_length(5), "a block is behind a wall"
        assert np.abs(physics.speeds[:, :2]).max() < 4.0
    assert not any(warning.number for warning in physics.data.warning)


def test_a_block_that_is_held_stays_between_the_fingers_however_it_is_moved() -> None:
    physics = BlocksPhysics(3)
    physics.reset((0.0, 0.3), row(3))
    grasp(physics, 1)
    before = physics.places[1, :2] - physics.state[:2]
    for step in range(150):
        physics.step(np.array([math.copysign(1.0, math.sin(step)), 0.5 * math.cos(step), 0.0]))
    wait(physics, 0.0, 50)
    assert np.abs(physics.places[1, :2] - physics.state[:2] - before).max() < 6e-3


def test_a_block_that_is_let_go_falls_at_once() -> None:
    physics = BlocksPhysics(3)
    physics.reset((0.0, 0.3), row(3))
    grasp(physics, 1)
    assert physics.places[1, 1] > 0.2
    wait(physics, 1.0, 6)
    np.testing.assert_allclose(physics.places[1, 1], geometry.HALF, atol=2e-3)
    steer(physics, 0.0, 0.4, 1.0)
    np.testing.assert_allclose(physics.places[1, 1], geometry.HALF, atol=2e-3)


def test_fingers_do_what_they_were_last_told() -> None:
    physics = BlocksPhysics(1)
    physics.reset((0.1, 0.4), row(1))
    for told, expected in ((-0.4, 1.0), (-0.6, -1.0), (0.4, -1.0), (0.6, 1.0)):
        physics.step(np.array([0.0, 0.0, told]))
        assert physics.state[7] == expected


def test_an_action_of_one_moves_by_five_centimetres() -> None:
    physics = BlocksPhysics(5)
    physics.reset((-0.4, 0.3), row(5))
    for _ in range(12):
        physics.step(np.array([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(physics.state[0], -0.4 + 12 * 0.05, atol=0.03)
    np.testing.assert_allclose(physics.state[2], 0.5, atol=0.02)


def test_physics_repeat_themselves() -> None:
    def run() -> bytes:
        physics, rng = BlocksPhysics(4), np.random.default_rng(1)
        physics.reset((0.0, 0.3), geometry.random_places(4, 1, rng))
        for _ in range(100):
            physics.step(rng.uniform(-1, 1, 3))
        return physics.state.tobytes()

    assert run() == run()
