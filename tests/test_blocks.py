"""The world of block stacking: physics, towers, what is seen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spirl_cli.blocks import image, picture, scene
from spirl_cli.blocks.physics import BlocksPhysics
from spirl_cli.blocks.towers import Towers

FAR = 0.3  # m between blocks


def row(blocks: int) -> np.ndarray:
    """Places of blocks in a row, (n, 3)."""
    y = (np.arange(blocks) - (blocks - 1) / 2) * 0.18
    return np.stack([y, np.full(blocks, scene.HALF), np.zeros(blocks)], axis=1)


def steer(physics: BlocksPhysics, y: float, z: float, fingers: float, steps: int = 40) -> None:
    """Move the gripper to a place."""
    for _ in range(steps):
        offset = np.array([y, z]) - physics.state[:2]
        physics.step(np.append(np.clip(12 * offset, -1, 1), fingers))
        if np.abs(offset).max() < 0.004:
            break


def wait(physics: BlocksPhysics, fingers: float, steps: int) -> None:
    for _ in range(steps):
        physics.step(np.array([0.0, 0.0, fingers]))


def grasp(physics: BlocksPhysics, block: int) -> None:
    """Take a block and lift it."""
    y, z = physics.places[block, :2]
    for height in (z + 0.2, z):
        steer(physics, y, height, 1.0)
    wait(physics, -1.0, 4)
    steer(physics, y, z + 0.2, -1.0)


# ---- where things are


def test_a_state_has_eight_numbers_and_three_for_each_block() -> None:
    assert (scene.state_size(5), scene.state_size(11), scene.blocks_in(41)) == (23, 41, 11)
    state = BlocksPhysics(3).state
    assert state.shape == (17,) and state[7] == 1.0


@pytest.mark.parametrize(("blocks", "stacked"), [(5, 0), (5, 2), (11, 0), (2, 1)])
def test_blocks_start_apart_and_within_the_walls(blocks: int, stacked: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        places = scene.random_places(blocks, stacked, rng)
        assert np.abs(places[:, 0]).max() <= scene.half_length(blocks) - scene.HALF
        levels = np.rint((places[:, 1] - scene.HALF) / scene.BLOCK).astype(int)
        assert levels.max() == stacked and (levels == 0).sum() == blocks - stacked
        gaps = np.diff(places[levels == 0, 0]) - scene.BLOCK
        assert (gaps >= scene.GAP - 1e-9).all(), "numbered from left to right, with room for fingers"


def test_angles_of_cubes_are_equal_after_a_quarter_turn() -> None:
    angles = scene.wrap([0.0, math.pi / 2, -math.pi / 2 + 0.1, math.pi / 4 + 0.01, 7 * math.pi])
    np.testing.assert_allclose(angles, [0.0, 0.0, 0.1, 0.01 - math.pi / 4, 0.0], atol=1e-12)


# ---- physics


def test_a_tower_stands_where_it_was_put() -> None:
    physics = BlocksPhysics(11)
    places = row(11)
    places[:6, 0], places[:6, 1] = -0.6, scene.HALF + np.arange(6) * scene.BLOCK
    physics.reset((0.9, 0.3), places)
    wait(physics, 1.0, 100)
    np.testing.assert_allclose(physics.places, places, atol=5e-3)  # contacts give way a little
    assert np.abs(physics.speeds[:, :2]).max() < 0.02, "it may rock by less than a thousandth of a turn"


@pytest.mark.parametrize("seed", range(3))
def test_nothing_sinks_flies_off_or_leaves_the_table(seed: int) -> None:
    physics, rng = BlocksPhysics(5), np.random.default_rng(seed)
    physics.reset((0.0, 0.3), scene.random_places(5, seed % 3, rng))
    action = np.zeros(3)
    for step in range(600):
        if step % 6 == 0:
            action = rng.uniform(-1.2, 1.2, 3) - [0.0, 0.15, 0.0]
        physics.step(action)
        places = physics.places
        assert places[:, 1].min() > scene.HALF - 0.012, "a block is in the table"
        assert places[:, 1].max() < scene.ceiling(5) + 0.1, "a block flew off"
        assert np.abs(places[:, 0]).max() < scene.half_length(5), "a block is behind a wall"
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
    np.testing.assert_allclose(physics.places[1, 1], scene.HALF, atol=2e-3)
    steer(physics, 0.0, 0.4, 1.0)
    np.testing.assert_allclose(physics.places[1, 1], scene.HALF, atol=2e-3)


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
        physics.reset((0.0, 0.3), scene.random_places(4, 1, rng))
        for _ in range(100):
            physics.step(rng.uniform(-1, 1, 3))
        return physics.state.tobytes()

    assert run() == run()


# ---- towers


def put(physics: BlocksPhysics, block: int, y: float, level: int) -> None:
    """Grasp a block and put it somewhere."""
    grasp(physics, block)
    z = scene.HALF + level * scene.BLOCK
    steer(physics, physics.state[0], z + 0.2, -1.0)
    steer(physics, y, z + 0.2, -1.0)
    steer(physics, y, z + 0.003, -1.0)


def test_a_tower_counts_its_blocks_once_they_are_let_go() -> None:
    physics = BlocksPhysics(4)
    physics.reset((0.0, 0.3), row(4))
    towers = Towers(physics)
    towers.look()
    assert (towers.stacked, towers.height, towers.lifted) == (0, 0.0, set())
    for level, block in enumerate((1, 2), start=1):
        grasp(physics, block)
        towers.look()
        assert towers.held == {block} and block in towers.lifted
        target = physics.places[0, 0]
        top = scene.HALF + level * scene.BLOCK
        steer(physics, physics.state[0], top + 0.2, -1.0)
        steer(physics, target, top + 0.2, -1.0)
        steer(physics, target, top + 0.001, -1.0)
        wait(physics, -1.0, 5)
        towers.look()
        assert towers.stacked == (0 if level == 1 else level), "it is held"
        wait(physics, 1.0, 5)
        steer(physics, target, top + 0.2, 1.0)
        towers.look()
        assert towers.stacked == level + 1 and towers.delivered == set(range(1, level + 1))
        np.testing.assert_allclose(towers.height, level + 1, atol=0.05)


def test_a_lone_block_counts_once_it_was_lifted_and_is_back() -> None:
    physics = BlocksPhysics(2)
    physics.reset((0.0, 0.3), row(2))
    towers = Towers(physics)
    grasp(physics, 0)
    towers.look()
    assert (towers.stacked, towers.height) == (0, 0.0)
    wait(physics, 1.0, 8)
    towers.look()
    assert towers.stacked == 1
    np.testing.assert_allclose(towers.height, 1.0, atol=0.05)


def test_blocks_that_were_never_lifted_are_no_tower() -> None:
    physics = BlocksPhysics(3)
    places = row(3)
    places[1] = places[0] + [0.0, scene.BLOCK, 0.0]
    physics.reset((0.3, 0.3), places)
    towers = Towers(physics)
    towers.look()
    assert (towers.stacked, towers.height, towers.delivered) == (0, 0.0, set())
    towers.lifted = {0, 1, 2}
    towers.look()
    assert towers.stacked == 2


def test_a_block_that_leans_is_no_part_of_a_tower() -> None:
    physics = BlocksPhysics(3)
    places = row(3)
    places[2] = places[0] + [scene.BLOCK * 0.9, scene.BLOCK, 0.4]  # falls between the others or beside
    physics.reset((0.3, 0.4), places)
    towers = Towers(physics)
    towers.lifted = {0, 1, 2}
    for _ in range(40):
        wait(physics, 1.0, 1)
        towers.look()
        assert towers.stacked <= 1


def test_pushing_all_blocks_together_stacks_nothing() -> None:
    physics = BlocksPhysics(5)
    physics.reset((-0.5, 0.3), row(5))
    towers = Towers(physics)
    for y, z in ((-0.5, 0.04), (0.5, 0.05), (0.5, 0.3), (0.5, 0.04), (-0.5, 0.06)):
        for _ in range(45):
            physics.step(np.append(np.clip(12 * (np.array([y, z]) - physics.state[:2]), -1, 1), -1.0))
            towers.look()
            assert towers.stacked == 0 and not towers.lifted


# ---- what is seen


def sampled(state: np.ndarray, samples: int = 16) -> np.ndarray:
    """The view with many samples per pixel (32, 32, 3): what `draw` computes exactly."""
    count = image.PIXELS * samples
    across = (np.arange(count) + 0.5) * image.VIEW / count
    y, z = np.meshgrid(state[0] - image.VIEW / 2 + across, state[1] + image.VIEW - image.BELOW - across)
    bright = (np.floor(y / image.STRIPE) % 2 == 0)[..., None] * np.array([image.STRIPES, 0, 0])
    colours = np.where((z > 0)[..., None], image.BACKGROUND + bright + z[..., None] * image.RAMP, image.TABLE)
    for block_y, block_z, angle in state[scene.GRIPPER_NUMBERS :].reshape(-1, 3):
        along = np.cos(angle) * (y - block_y) + np.sin(angle) * (z - block_z)
        away = np.cos(angle) * (z - block_z) - np.sin(angle) * (y - block_y)
        colours[(np.abs(along) < scene.HALF) & (np.abs(away) < scene.HALF)] = image.BLOCK
    right, up = y - state[0], z - state[1]
    tip = -scene.FINGER_HALF - scene.FINGER_RADIUS
    colours[(up > scene.PALM_BOTTOM) & (up < scene.PALM_TOP) & (np.abs(right) < scene.PALM_HALF)] = image.GRIPPER
    for side, distance in ((-1, state[4]), (1, state[5])):
        reach = side * right - distance
        finger = (reach > 0) & (reach < 2 * scene.FINGER_RADIUS) & (up > tip) & (up < scene.PALM_BOTTOM)
        colours[finger] = image.GRIPPER
    shape = (image.PIXELS, samples, image.PIXELS, samples, 3)
    mean: np.ndarray = colours.reshape(shape).mean(axis=(1, 3))
    return mean


def random_state(rng: np.random.Generator, turned: bool) -> np.ndarray:
    """Blocks that do not overlap, one of them in the fingers or partly out of view."""
    state = np.zeros(scene.state_size(5), np.float32)
    state[:2] = rng.uniform([-0.3, 0.2], [0.3, 0.5])
    state[4:6] = rng.uniform(0.041, scene.OPENING, 2)
    places = np.stack([np.linspace(-0.7, 0.7, 5) + rng.uniform(-0.08, 0.08, 5), rng.uniform(0.057, 0.08, 5)], 1)
    places[2] = state[:2] + rng.uniform(-0.001, 0.001, 2)
    places[1, 1] = state[1] + image.VIEW - image.BELOW - 0.02  # cut off by the upper edge
    angles = rng.uniform(-0.78, 0.78, 5) * turned
    angles[2] = 0.0
    state[scene.GRIPPER_NUMBERS :] = np.concatenate([places, angles[:, None]], axis=1).ravel()
    return state


@pytest.mark.parametrize("turned", [False, True])
def test_a_pixel_is_the_mean_of_what_it_covers(turned: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(3):
        state = random_state(rng, turned)
        difference = np.abs(image.draw(state[None])[0] - sampled(state))
        assert difference.max() < 20 and difference.mean() < 0.7  # what so many samples can tell


def test_images_are_the_same_alone_and_among_others() -> None:
    rng = np.random.default_rng(1)
    states = np.stack([random_state(rng, bool(index % 2)) for index in range(6)])
    together = image.draw(states)
    assert together.shape == (6, 32, 32, 3) and together.dtype == np.uint8
    for state, drawn in zip(states, together, strict=True):
        np.testing.assert_array_equal(image.draw(state[None])[0], drawn)


def test_views_tell_small_motions_and_heights_apart() -> None:
    state = np.zeros(scene.state_size(1), np.float32)
    state[:2], state[4:6], state[8:] = (0.0, 0.9), 0.05, (0.0, 0.04, 0.0)
    for moved in ((0.005, 0.9), (0.0, 0.91)):  # nothing but the background is in view
        other = state.copy()
        other[:2] = moved
        assert (image.draw(state[None]) != image.draw(other[None])).mean() > 0.05


def test_views_move_with_the_gripper_along_a_table_without_end() -> None:
    state = random_state(np.random.default_rng(2), True)
    moved = state.copy()
    moved[0] += 2 * image.STRIPE
    moved[8::3] += 2 * image.STRIPE
    difference = image.draw(state[None]).astype(int) - image.draw(moved[None])
    assert np.abs(difference).max() <= 1


def test_pictures_for_people_show_blocks_and_gripper() -> None:
    physics = BlocksPhysics(5)
    physics.reset((0.0, 0.3), row(5))
    drawn = picture.draw_scene(physics.state, frozenset({2}))
    assert drawn.dtype == np.uint8 and all(size % 16 == 0 for size in drawn.shape[:2])
    colours = {tuple(colour) for colour in drawn.reshape(-1, 3).tolist()}
    assert {picture.BLOCK, picture.HELD, picture.GRIPPER, picture.FINGERS, picture.TABLE} <= colours
