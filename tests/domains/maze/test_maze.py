"""Layouts, shortest paths, the rasteriser, the physics and the pictures of the maze."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from spirl_cli.domains.maze import image, picture
from spirl_cli.domains.maze.layout import (
    Layout,
    choose_endpoints,
    distances,
    format_layout,
    generate_layout,
    parse_layout,
    shortest_path,
)
from spirl_cli.domains.maze.physics import DENSITY, RADIUS, MazePhysics, wall_boxes
from spirl_cli.errors import UsageError

ROOM = np.pad(np.zeros((12, 12), bool), 1, constant_values=True)
# two walls that meet diagonally in the middle, each at an outer corner
PINCH = parse_layout("#######\n#..#..#\n#..#..#\n####..#\n#...###\n#...#.#\n#...#.#\n#######")


# --- layouts -----------------------------------------------------------------------------------


def test_published_test_maze() -> None:
    layout = generate_layout(0, 40)
    assert layout.shape == (42, 42) and layout.sum() == 582
    assert distances(layout, (18, 8))[10, 24] == 34


@pytest.mark.parametrize("size", [8, 9, 20, 40])
def test_generated_layouts_are_closed_and_a_quarter_full(size: int) -> None:
    layouts = [generate_layout(seed, size) for seed in range(20)]
    for layout in layouts:
        inner = layout[1:-1, 1:-1]
        assert layout.sum() - inner.sum() == 4 * size + 4, "the border is closed"
        # the last wall of at most half the size, and its jambs, may go beyond a quarter
        assert 0.25 <= inner.mean() < 0.25 + (size / 2 + 4) / size**2
    assert len({layout.tobytes() for layout in layouts}) == len(layouts)


def test_same_seed_gives_the_same_layout() -> None:
    expected = generate_layout(3, 20)
    for seed in (3, np.random.SeedSequence(3), np.random.default_rng(3)):
        np.testing.assert_array_equal(generate_layout(seed, 20), expected)


def test_layout_text_round_trip() -> None:
    layout = generate_layout(5, 12)
    np.testing.assert_array_equal(parse_layout(format_layout(layout)), layout)
    np.testing.assert_array_equal(parse_layout("\n####\n#. #\n####\n"), [[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("####\n#.#\n####", "row 2 has 3 cells, row 1 has 4"),
        ("####\n#x.#\n####", "row 2, column 2 is 'x'"),
        ("###\n###\n###", "no free cell"),
        ("", "no free cell"),
        ("####\n#...\n####", "open at row 2, column 4"),
        ("#.##\n#..#\n####", "open at row 1, column 2"),
    ],
)
def test_unusable_layouts_are_explained(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse_layout(text)


# --- paths -------------------------------------------------------------------------------------


def relaxed_distances(layout: Layout, target: tuple[int, int]) -> np.ndarray:
    """Slow reference: every cell is one further than its nearest neighbour, until nothing changes."""
    found = np.where(layout, np.inf, 1e9)
    found[target] = 0
    while True:
        before = found.copy()
        for axis in (0, 1):
            for shift in (-1, 1):
                found = np.where(layout, np.inf, np.minimum(found, np.roll(found, shift, axis) + 1))
        if np.array_equal(found, before):
            return np.where(found < 1e8, found, -1).astype(int)


@pytest.mark.parametrize("seed", range(4))
def test_distances_are_shortest(seed: int) -> None:
    layout = generate_layout(seed, 20)
    target = tuple(np.argwhere(~layout)[7 * seed].tolist())
    found = distances(layout, target)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, relaxed_distances(layout, target))


def test_unreachable_cells_and_walls() -> None:
    layout = parse_layout("#####\n#.#.#\n#####")
    found = distances(layout, (1, 1))
    assert found.tolist() == [[-1] * 5, [-1, 0, -1, -1, -1], [-1] * 5]
    with pytest.raises(ValueError, match="no path"):
        shortest_path(found, (1, 3))
    with pytest.raises(ValueError, match="is a wall"):
        distances(layout, (1, 2))


@pytest.mark.parametrize("seed", range(4))
def test_path_takes_as_many_steps_as_the_distance(seed: int) -> None:
    layout = generate_layout(seed, 20)
    free = np.argwhere(~layout).tolist()
    target, start = tuple(free[3]), tuple(free[-5])
    found = distances(layout, target)
    path = shortest_path(found, start)
    assert len(path) == found[start] + 1
    assert tuple(path[0]) == start and tuple(path[-1]) == target
    assert (np.abs(np.diff(path, axis=0)).sum(axis=1) == 1).all()
    assert not layout[path[:, 0], path[:, 1]].any()


@pytest.mark.parametrize("seed", range(3))
def test_chosen_endpoints_are_as_far_apart_as_asked(seed: int) -> None:
    layout = generate_layout(seed, 40)
    start, goal = choose_endpoints(layout, 34, 26, seed)
    assert distances(layout, goal)[start] == 34
    assert abs(start[0] - goal[0]) + abs(start[1] - goal[1]) <= 26
    assert choose_endpoints(layout, 34, 26, seed) == (start, goal)
    assert choose_endpoints(layout, 34, 26, seed + 100) != (start, goal)


def test_endpoints_that_cannot_exist_are_refused() -> None:
    for length, manhattan in ((23, 10), (1000, 1000)):
        with pytest.raises(UsageError, match="no two cells"):
            choose_endpoints(ROOM, length, manhattan, 0)


# --- the agent's image -------------------------------------------------------------------------


def colour(layout: Layout, x: float, y: float) -> np.ndarray:
    """The world's colour at a point."""
    row, column = math.floor(y), math.floor(x)
    inside = 0 <= row < layout.shape[0] and 0 <= column < layout.shape[1]
    if not inside or layout[row, column]:
        return image.WALL.astype(float)
    texture = [1 if x % 1 < 0.5 else -1, 1 if y % 1 < 0.5 else -1, 0]
    return image.FLOOR + image.CONTRAST * np.array(texture)


def pieces(begin: float, end: float) -> list[tuple[float, float]]:
    """Middle and length of the parts of an interval between multiples of ½, where colours are constant."""
    cuts = [begin, *(k / 2 for k in range(math.floor(begin * 2) + 1, math.ceil(end * 2))), end]
    return [((a + b) / 2, b - a) for a, b in itertools.pairwise(cuts)]


def slow_drawing(layout: Layout, x: float, y: float) -> np.ndarray:
    """Exact mean colours, pixel by pixel and piece by piece."""
    side = image.VIEW_CELLS / image.PIXELS
    drawn = np.zeros((image.PIXELS, image.PIXELS, 3))
    for row, column in np.ndindex(image.PIXELS, image.PIXELS):
        left, top = (corner - image.VIEW_CELLS / 2 for corner in (x + column * side, y + row * side))
        for across, width in pieces(left, left + side):
            for down, height in pieces(top, top + side):
                drawn[row, column] += colour(layout, across, down) * width * height / side**2
    return drawn


@pytest.mark.parametrize("position", [(4.3, 6.7), (1.1, 1.15), (11.0, 7.5), (12.9, 3.499)])
def test_image_is_the_mean_over_each_pixel(position: tuple[float, float]) -> None:
    layout = generate_layout(4, 12)
    x, y = (float(np.float32(value)) for value in position)
    drawn = image.draw(layout, np.array([position]))
    assert drawn.shape == (1, 32, 32, 3) and drawn.dtype == np.uint8
    assert np.abs(drawn[0] - slow_drawing(layout, x, y)).max() < 0.501  # rounded


def test_a_batch_is_drawn_like_single_images() -> None:
    random = np.random.default_rng(0)
    layouts = np.stack([generate_layout(seed, 9) for seed in range(50)])
    positions = random.uniform(-1, 12, (50, 2))  # outside too
    batch = image.draw(layouts, positions)
    for layout, position, drawn in zip(layouts, positions, batch, strict=True):
        np.testing.assert_array_equal(image.draw(layout, position[None])[0], drawn)
        stored = position.astype(np.float32)[None]
        np.testing.assert_array_equal(image.draw(layout[None], stored)[0], drawn, "states are stored as float32")
    np.testing.assert_array_equal(image.draw(layouts[0], positions)[0], batch[0], "one layout for all")


def test_floor_looks_the_same_from_cell_to_cell() -> None:
    here, there = image.draw(ROOM, np.array([[4.25, 5.5], [7.25, 6.5]]))
    np.testing.assert_array_equal(here, there)


def test_small_motion_shows_in_the_channel_of_its_axis() -> None:
    still, right, down = image.draw(ROOM, np.array([[6.1, 6.2], [6.12, 6.2], [6.1, 6.22]])).astype(int)
    for moved, channel in ((right, 0), (down, 1)):
        difference = np.abs(moved - still)
        assert difference[..., channel].max() >= 10
        assert np.delete(difference, channel, axis=-1).max() == 0


def test_rows_run_along_y() -> None:
    layout = ROOM.copy()
    layout[7, 6] = True  # below the agent
    drawn = image.draw(layout, np.array([[6.5, 6.5]]))[0]
    np.testing.assert_array_equal(drawn[20, 16], image.WALL)
    assert (drawn[10, 16] != image.WALL).any() and (drawn[16, 20] != image.WALL).any()


def test_frames_are_stacked_oldest_first() -> None:
    frames = [np.full((5, 32, 32, 3), value, np.uint8) for value in (1, 2)]
    stacked = image.stack(frames)
    assert stacked.shape == (5, 32, 32, 6) and stacked.dtype == np.uint8
    assert stacked[0, 0, 0].tolist() == [1, 1, 1, 2, 2, 2]


# --- physics -----------------------------------------------------------------------------------


def test_free_motion_follows_the_equations() -> None:
    mass, step = DENSITY * 4 / 3 * math.pi * RADIUS**3, 0.01
    physics = MazePhysics(ROOM)
    physics.reset((3.0, 9.0), (-0.5, 0.0))
    position, velocity = np.array([3.0, 9.0]), np.array([-0.5, 0.0])
    for action in ([1, -1], [0.3, -2.0], [0, 0], [0.7, 0.2], [1, -1]) * 6:
        physics.step(np.array(action, float))
        velocity = np.clip(velocity, -5, 5)
        force = 100 * np.clip(action, -1, 1)
        velocity = velocity + step * (force - velocity) / (mass + step)  # damping 1, implicit
        position = position + step * velocity
        np.testing.assert_allclose(physics.state, [*position, *velocity], atol=1e-9)


def test_speed_is_clipped_before_each_step() -> None:
    physics = MazePhysics(ROOM)
    physics.reset((2.0, 2.0), (50.0, 0.0))
    physics.step(np.zeros(2))
    assert physics.state[0] == pytest.approx(2.05, abs=1e-3)


@pytest.mark.parametrize("layout", [generate_layout(2, 20), PINCH], ids=["generated", "diagonal"])
def test_walls_cannot_be_passed(layout: Layout) -> None:
    random = np.random.default_rng(0)
    physics, free = MazePhysics(layout), np.argwhere(~layout)
    for cell in free[random.integers(len(free), size=15)]:
        reachable = distances(layout, tuple(cell)) >= 0
        physics.reset(cell[::-1] + 0.5)
        for _ in range(40):
            action = random.choice([-1.0, 0.0, 1.0], 2)
            for _ in range(25):
                physics.step(action)
                x, y = physics.state[:2]
                assert reachable[int(y), int(x)]


def test_nothing_passes_between_walls_that_meet_diagonally() -> None:
    physics = MazePhysics(PINCH)
    for start, towards in (((5.2, 2.8), (-1.0, 1.0)), ((2.8, 5.2), (1.0, -1.0))):
        side = np.sign(start[0] - start[1])
        for nudge in np.linspace(-0.06, 0.06, 13):
            physics.reset((start[0] + nudge, start[1] + nudge), (5 * towards[0], 5 * towards[1]))
            for _ in range(60):
                physics.step(np.array(towards))
            assert np.sign(physics.state[0] - physics.state[1]) == side


def flat_faces(layout: Layout) -> list[tuple[int, int, int]]:
    """Row, first and last + 1 column of all flat walls, at least 3 long, whose lower side is free."""
    faces = []
    for row in range(len(layout) - 1):
        face = layout[row] & ~layout[row + 1]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], face, [False])).astype(int)))
        faces += [(row, first, last) for first, last in edges.reshape(-1, 2).tolist() if last - first >= 3]
    return faces


@pytest.mark.parametrize("transposed", [False, True])
def test_flat_walls_have_no_seams(transposed: bool) -> None:
    """Pressed against a wall, the point mass glides as if there were none."""
    layout = generate_layout(0, 20)
    physics = MazePhysics(layout.T if transposed else layout)
    turned = slice(None, None, -1) if transposed else slice(None)
    for row, first, last in flat_faces(layout):
        # pressed by an impact at full speed first, when it sinks in deepest
        physics.reset(np.array([first + 0.3, row + 1.15])[turned], np.array([2.0, -5.0])[turned])
        speed, mass = 2.0, DENSITY * 4 / 3 * math.pi * RADIUS**3
        while (along := physics.state[:2][turned][0]) < last - 0.3:
            physics.step(np.array([0.2, -1.0])[turned])
            speed += 0.01 * (20 - speed) / (mass + 0.01)
            assert physics.state[2:][turned][0] == pytest.approx(min(speed, 5.3), abs=1e-6), (row, first, along)
            speed = min(speed, 5.0)


def test_boxes_cover_the_walls_that_can_be_touched_and_nothing_else() -> None:
    for seed in range(5):
        layout = generate_layout(seed, 15)
        boxes = wall_boxes(layout)
        rows, columns = np.indices(layout.shape)
        middles = np.stack((columns, rows), axis=-1)[..., None, :] + 0.5  # (R, C, 1, 2)
        covered = ((middles > boxes[:, :2]) & (middles < boxes[:, 2:])).all(axis=-1).any(axis=-1)
        open_around = np.pad(~layout, 1)
        touchable = layout & (
            open_around[:-2, 1:-1] | open_around[2:, 1:-1] | open_around[1:-1, :-2] | open_around[1:-1, 2:]
        )
        assert not (covered & ~layout).any() and not (touchable & ~covered).any()


def test_reset_forgets_everything() -> None:
    physics = MazePhysics(generate_layout(1, 20))
    runs = []
    for _ in range(2):
        physics.reset((1.5, 1.5))
        assert physics.state.tolist() == [1.5, 1.5, 0.0, 0.0] and physics.state.dtype == np.float64
        for index in range(200):  # into a corner, with contacts
            physics.step(np.array([math.sin(index), -1.0]))
        runs.append(physics.state)
    np.testing.assert_array_equal(*runs)


# --- pictures for people -----------------------------------------------------------------------


def test_picture_shows_walls_goal_and_path() -> None:
    layout = generate_layout(0, 8)
    drawn = picture.draw_layout(layout, scale=8)
    assert drawn.shape == (80, 80, 3) and drawn.dtype == np.uint8
    middles = drawn[4::8, 4::8]
    assert (middles[layout] == picture.WALL).all() and (middles[~layout] == picture.FLOOR).all()
    before = drawn.copy()
    picture.add_path(drawn, [(1.5, 1.5), (4.5, 1.5)], scale=8)
    assert (drawn[12, 12:36] == picture.PATH).all()
    picture.add_disc(drawn, (9.9, 9.9), 1.0, picture.GOAL, scale=8)  # partly outside
    assert (drawn[-2, -2] == picture.GOAL).all()
    assert (drawn[24:64, 8:64] == before[24:64, 8:64]).all()
