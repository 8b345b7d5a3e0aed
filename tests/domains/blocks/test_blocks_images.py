"""What is seen of blocks, by agents and by people."""

from __future__ import annotations

import numpy as np
import pytest

from spirl_cli.domains.blocks import geometry, image, picture
from spirl_cli.domains.blocks.physics import BlocksPhysics
from tests.support.blocks_data import row


def sampled(state: np.ndarray, samples: int = 16) -> np.ndarray:
    """The view with many samples per pixel (32, 32, 3): what `draw` computes exactly."""
    count = image.PIXELS * samples
    across = (np.arange(count) + 0.5) * image.VIEW / count
    y, z = np.meshgrid(state[0] - image.VIEW / 2 + across, state[1] + image.VIEW - image.BELOW - across)
    bright = (np.floor(y / image.STRIPE) % 2 == 0)[..., None] * np.array([image.STRIPES, 0, 0])
    colours = np.where((z > 0)[..., None], image.BACKGROUND + bright + z[..., None] * image.RAMP, image.TABLE)
    for block_y, block_z, angle in state[geometry.GRIPPER_NUMBERS :].reshape(-1, 3):
        along = np.cos(angle) * (y - block_y) + np.sin(angle) * (z - block_z)
        away = np.cos(angle) * (z - block_z) - np.sin(angle) * (y - block_y)
        colours[(np.abs(along) < geometry.HALF) & (np.abs(away) < geometry.HALF)] = image.BLOCK
    right, up = y - state[0], z - state[1]
    tip = -geometry.FINGER_HALF - geometry.FINGER_RADIUS
    colours[(up > geometry.PALM_BOTTOM) & (up < geometry.PALM_TOP) & (np.abs(right) < geometry.PALM_HALF)] = (
        image.GRIPPER
    )
    for side, distance in ((-1, state[4]), (1, state[5])):
        reach = side * right - distance
        finger = (reach > 0) & (reach < 2 * geometry.FINGER_RADIUS) & (up > tip) & (up < geometry.PALM_BOTTOM)
        colours[finger] = image.GRIPPER
    shape = (image.PIXELS, samples, image.PIXELS, samples, 3)
    mean: np.ndarray = colours.reshape(shape).mean(axis=(1, 3))
    return mean


def random_state(rng: np.random.Generator, turned: bool) -> np.ndarray:
    """Blocks that do not overlap, one of them in the fingers or partly out of view."""
    state = np.zeros(geometry.state_size(5), np.float32)
    state[:2] = rng.uniform([-0.3, 0.2], [0.3, 0.5])
    state[4:6] = rng.uniform(0.041, geometry.OPENING, 2)
    places = np.stack([np.linspace(-0.7, 0.7, 5) + rng.uniform(-0.08, 0.08, 5), rng.uniform(0.057, 0.08, 5)], 1)
    places[2] = state[:2] + rng.uniform(-0.001, 0.001, 2)
    places[1, 1] = state[1] + image.VIEW - image.BELOW - 0.02  # cut off by the upper edge
    angles = rng.uniform(-0.78, 0.78, 5) * turned
    angles[2] = 0.0
    state[geometry.GRIPPER_NUMBERS :] = np.concatenate([places, angles[:, None]], axis=1).ravel()
    return state


@pytest.mark.parametrize("turned", [False, True])
def test_a_pixel_is_the_mean_of_what_it_covers(turned: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(3):
        state = random_state(rng, turned)
        difference = np.abs(image.draw(state[None])[0] - sampled(state))
        assert difference.max() < 20 and difference.mean() < 0.7  # what so many samples can tell


def test_blocks_that_are_pressed_into_each_other_stay_white() -> None:
    state = np.zeros(geometry.state_size(3), np.float32)
    state[:2], state[4:6] = (0.0, 0.3), geometry.OPENING
    for angle in (0.0, 0.01):
        state[8:] = np.ravel([[-0.16, 0.1, angle], [-0.09, 0.1, angle], [0.3, 0.1, 0.0]])
        assert image.draw(state[None])[0, 20, 8:14].min() > 200


def test_images_are_the_same_alone_and_among_others() -> None:
    rng = np.random.default_rng(1)
    states = np.stack([random_state(rng, bool(index % 2)) for index in range(6)])
    together = image.draw(states)
    assert together.shape == (6, 32, 32, 3) and together.dtype == np.uint8
    for state, drawn in zip(states, together, strict=True):
        np.testing.assert_array_equal(image.draw(state[None])[0], drawn)


def test_images_are_drawn_into_what_is_given() -> None:
    states = np.stack([random_state(np.random.default_rng(seed), True) for seed in range(2)])
    stacked = np.zeros((2, 32, 32, 6), np.uint8)
    image.draw(states, stacked[..., 3:])
    np.testing.assert_array_equal(stacked[..., 3:], image.draw(states))
    assert not stacked[..., :3].any()


def test_views_tell_small_motions_and_heights_apart() -> None:
    state = np.zeros(geometry.state_size(1), np.float32)
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
    drawn = picture.draw_picture(physics.state, frozenset({2}))
    assert drawn.dtype == np.uint8 and all(size % 16 == 0 for size in drawn.shape[:2])
    colours = {tuple(colour) for colour in drawn.reshape(-1, 3).tolist()}
    assert {picture.BLOCK, picture.HELD, picture.GRIPPER, picture.FINGERS, picture.TABLE} <= colours
