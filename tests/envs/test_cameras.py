"""Cameras in environments: what is shown is resized, stacked over steps, and refused where it is no image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from spirl_cli.camera import Cameras, View, resize
from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.envs.make import check_compatible, make_env
from spirl_cli.envs.replayable import ReplayableEnv
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.settings import ImageFormat, ObservationPart
from tests.support.environments import SliderEnv

SIZE = (6, 8)
RNG = np.random.default_rng(0)


def slider(**changes: Any) -> GymnasiumSection:
    values: dict[str, Any] = {
        "kind": "gymnasium",
        "id": "Slider-v0",
        "module": "tests.support.environments",
        "episode_length": 10,
        "observation": [{"key": "state"}, {"key": "camera", "image": {"size": SIZE}}],
        **changes,
    }
    return GymnasiumSection.model_validate(values)


def camera(key: str | None = "camera", size: tuple[int, int] = SIZE, channels: Any = 3) -> ObservationPart:
    return ObservationPart(key=key, image=ImageFormat(size=size, channels=channels))


def halved(image: np.ndarray) -> np.ndarray:
    """Average pairs of columns, then pairs of rows, each rounded, as Pillow does."""
    narrow = (image[:, 0::2].astype(int) + image[:, 1::2] + 1) // 2
    return ((narrow[0::2] + narrow[1::2] + 1) // 2).astype(np.uint8)


def play(section: GymnasiumSection, steps: int) -> list[np.ndarray]:
    env = make_env(section)
    seen = [env.reset(seed=3)[0]]
    seen += [env.step(np.array([0.9], np.float32))[0] for _ in range(steps)]
    assert all(env.observation_space.contains(one) for one in seen)
    env.close()
    return seen


def frames_of(raw: list[np.ndarray], step: int, count: int) -> np.ndarray:
    return np.concatenate([raw[max(step - back, 0)] for back in reversed(range(count))], axis=-1)


@pytest.mark.parametrize("frames", [None, 3])
def test_the_environment_shows_the_last_frames(frames: int | None) -> None:
    env, raw = SliderEnv(), []
    raw.append(env.reset(seed=3)[0])
    raw += [env.step(np.array([0.9], np.float32))[0] for _ in range(5)]
    images = [halved(one["camera"]) for one in raw]
    section = slider(frames=frames)
    assert section.image_shape == (*SIZE, 3 * (frames or 1))
    for step, seen in enumerate(play(section, 5)):
        np.testing.assert_array_equal(seen[:2], raw[step]["state"])
        np.testing.assert_array_equal(seen[2:], frames_of(images, step, frames or 1).ravel())


def test_a_new_episode_forgets_the_frames() -> None:
    env = make_env(slider(frames=2))
    first = env.reset(seed=3)[0]
    env.step(np.ones(1, np.float32))
    np.testing.assert_array_equal(env.reset(seed=3)[0], first)


def test_the_state_of_an_episode_holds_the_frames() -> None:
    one, other = (ReplayableEnv(make_env(slider(frames=3)), seed=1) for _ in range(2))
    one.reset()
    for _ in range(4):
        one.step(np.full(1, 0.5, np.float32))
    other.episode_state = one.episode_state
    assert other.restored_exactly
    action = np.full(1, -1.0, np.float32)
    np.testing.assert_array_equal(one.step(action)[0], other.step(action)[0])


def test_a_rendered_image_is_part_of_the_observation() -> None:
    changes = {"kwargs": {"camera": False}, "render_image": {"size": SIZE}}
    rendered = slider(**changes, observation=[{"key": "state"}, {"key": "pixels", "image": {"size": SIZE}}])
    for one, other in zip(play(rendered, 3), play(slider(), 3), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_environment_that_cannot_be_rendered_is_refused() -> None:
    section = slider(id="Scripted-v0", render_image={"size": SIZE}, observation=[{"key": "robot/qpos"}])
    with pytest.raises(UsageError, match="cannot be made"):
        make_env(section)


def test_images_do_not_count_as_numbers_of_the_state() -> None:
    one = np.ones(1, np.float32)
    check_compatible(slider(frames=2), 2, 1, -one, one)
    with pytest.raises(ArtifactError, match="clips have 3 numbers, those of the environment 2"):
        check_compatible(slider(frames=2), 3, 1, -one, one)


@pytest.mark.parametrize("first", [True, False], ids=["channels-first", "channels-last"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_either_order_are_resized_alike(first: bool, channels: int) -> None:
    images = RNG.integers(0, 256, (5, 12, 16, channels), np.uint8)
    given = np.moveaxis(images, -1, 1) if first else images
    cameras = Cameras((camera(channels=channels),))
    expected = np.stack([halved(image) for image in images])
    np.testing.assert_array_equal(cameras.images({"camera": given}, leading=1), expected)
    np.testing.assert_array_equal(cameras.images({"camera": given[2]}), expected[2])


def test_an_image_without_channels_has_one() -> None:
    images = RNG.integers(0, 256, (3, *SIZE), np.uint8)
    seen = Cameras((camera(channels=1),)).images({"camera": images}, leading=1)
    np.testing.assert_array_equal(seen, images[..., None])


def test_several_cameras_are_stacked_along_the_channels() -> None:
    left, right = (RNG.integers(0, 256, (2, *SIZE, count), np.uint8) for count in (3, 1))
    cameras = Cameras((camera("left"), camera("right", channels=1)))
    seen = cameras.images({"left": left, "right": right}, leading=1)
    np.testing.assert_array_equal(seen, np.concatenate([left, right], axis=-1))


def test_long_episodes_are_resized_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = RNG.integers(0, 256, (7, 12, 16, 3), np.uint8)
    whole = Cameras((camera(),)).images({"camera": images}, leading=1)
    monkeypatch.setattr("spirl_cli.camera.BLOCK_BYTES", 2 * 12 * 16 * 3)
    np.testing.assert_array_equal(Cameras((camera(),)).images({"camera": images}, leading=1), whole)
    np.testing.assert_array_equal(whole, resize(images, SIZE))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((12, 16, 3), np.float32), "the image 'camera' is of type float32, not uint8"),
        (np.zeros((12, 16, 2), np.uint8), r"has shape \(12, 16, 2\); expected \(rows, columns, 3\) or \(3, rows"),
        (np.zeros((12, 16, 4), np.uint8), r"has shape \(12, 16, 4\)"),
        (np.zeros((12, 16), np.uint8), r"has shape \(12, 16\)"),
        (np.zeros((2, 12, 16, 3), np.uint8), r"has shape \(2, 12, 16, 3\)"),
    ],
)
def test_what_is_no_image_is_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Cameras((camera(),)).images({"camera": array})


def test_a_camera_does_not_change_its_size() -> None:
    cameras = Cameras((camera(),))
    cameras.images({"camera": np.zeros((12, 16, 3), np.uint8)})
    with pytest.raises(UsageError, match=r"has shape \(16, 12, 3\), those before have \(12, 16, 3\)"):
        cameras.images({"camera": np.zeros((16, 12, 3), np.uint8)})


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        ([{"key": "camera", "image": {"size": SIZE}}, {"key": "state"}], "images have to come last"),
        ([{"key": "camera", "image": {"size": SIZE}}], "numbers are needed beside images"),
        ([{"key": "state"}, {"key": "camera", "image": {"size": SIZE}, "indices": [0]}], "only a whole image"),
        (
            [{"key": "state"}, *({"key": key, "image": {"size": [4, size]}} for key, size in (("a", 4), ("b", 5)))],
            "all images need the same `size`",
        ),
        ([{"key": "state"}, {"key": "camera", "image": {"size": SIZE, "channels": 2}}], "channels"),
        ([{"key": "state"}, {"key": "camera", "image": {"size": [0, 4]}}], "size"),
    ],
)
def test_selections_that_cannot_be_learned_from_are_refused(observation: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        slider(observation=observation)


def test_a_view_of_several_environments_keeps_their_frames_apart() -> None:
    parts = (ObservationPart(key="state"), camera(size=(1, 1), channels=1))
    view = View(parts, frames=2, rows=2)

    def see(*shades: int) -> list[list[float]]:
        images = np.array(shades, np.uint8).reshape(2, 1, 1)
        return view.see({"state": np.zeros((2, 1)), "camera": images}, leading=1)[:, 1:].tolist()

    assert see(1, 5) == [[1, 1], [5, 5]]
    assert see(2, 6) == [[1, 2], [5, 6]]
    view.begin(1)
    assert see(3, 7) == [[2, 3], [7, 7]]
    with pytest.raises(UsageError, match="3 observations of 2 environments"):
        view.see({"state": np.zeros((3, 1)), "camera": np.zeros((3, 1, 1), np.uint8)}, leading=1)
