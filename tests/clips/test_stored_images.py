"""Images in clips: stored once, equal to what the environment shows, mapped instead of loaded."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from spirl_cli.clips.reader import Clips, ClipWriter
from spirl_cli.demos.episode import ActionBounds, Episode, EpisodeChecker, Treatment, join_short
from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.envs.make import make_env
from spirl_cli.errors import DatasetError
from spirl_cli.recipe.sections.extract import ExtractSection
from tests.support.commands import run_python
from tests.support.demos_data import open_demonstrations
from tests.support.environments import slider_episodes

HORIZON, FRAMES, SIZE = 4, 3, [6, 8]
BOUNDS = ActionBounds(np.full(1, -1, np.float32), np.full(1, 1, np.float32))
PARTS = [{"key": "state"}, {"key": "camera", "image": {"size": SIZE}}]
RNG = np.random.default_rng(0)


def write_sliders(folder: Path) -> Path:
    folder.mkdir()
    for number, (observations, actions) in enumerate(slider_episodes()):
        with h5py.File(folder / f"{number}.hdf5", "w") as file:
            file["actions"] = actions
            for key, values in observations.items():
                file[f"observations/{key}"] = values
    return folder


def extract(dataset: Path, clips: Path) -> Clips:
    section = ExtractSection.model_validate({"dataset": str(dataset), "observation": PARTS, "action_bounds": (-1, 1)})
    with ClipWriter(clips, HORIZON, BOUNDS) as writer:
        for episode in open_demonstrations(section):
            writer.append(episode)
        writer.finish(0.3, 0, {}, frames=FRAMES)
    return Clips.open(clips)


def random_episode(number: int, steps: int, shape: tuple[int, ...] = (2, 3, 1)) -> Episode:
    time = np.arange(steps + 1, dtype=np.float32)[:, None]
    images = RNG.integers(0, 256, (steps + 1, *shape), np.uint8)
    return Episode(number, time, np.zeros((steps, 1), np.float32), images=images)


def test_clips_show_what_the_environment_shows(tmp_path: Path) -> None:
    clips = extract(write_sliders(tmp_path / "sliders"), tmp_path / "clips.hdf5")
    section = GymnasiumSection.model_validate(
        {
            "kind": "gymnasium",
            "id": "Slider-v0",
            "module": "tests.support.environments",
            "episode_length": 50,
            "observation": PARTS,
            "frames": FRAMES,
        }
    )
    env = make_env(section)
    assert clips.image_shape == section.image_shape == (*SIZE, 9)
    for number, (_, actions) in enumerate(slider_episodes()):
        seen = np.stack([env.reset(seed=number)[0], *(env.step(action)[0] for action in actions)])
        rows = np.arange(*clips.episode_offsets[number : number + 2])
        np.testing.assert_array_equal(clips.states(rows), seen[:, :2])
        np.testing.assert_array_equal(clips.images(rows).reshape(len(rows), -1), seen[:, 2:])
        order = RNG.permutation(len(rows)).reshape(3, -1)
        np.testing.assert_array_equal(clips.images(rows[order]).reshape(*order.shape, -1), seen[order, 2:])


def test_images_are_stored_once_and_mapped(tmp_path: Path) -> None:
    path = tmp_path / "clips.hdf5"
    clips = extract(write_sliders(tmp_path / "sliders"), path)
    with h5py.File(path) as file:
        images = file["images"]
        assert images.shape == (6 * 21, *SIZE, 3) and images.dtype == np.uint8 and images.chunks is None
        assert file["observations"].shape == (6 * 21, 2)
        offset = images.id.get_offset()
    changed = np.memmap(path, np.uint8, "r+", offset, (6 * 21, *SIZE, 3))
    changed[7] = 9
    changed.flush()
    assert (clips.images(np.array([7]))[..., -3:] == 9).all(), "the images were loaded, not mapped"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["clips.hdf5", "sliders"]


def test_trimming_keeps_images_and_states_together() -> None:
    checker = EpisodeChecker(BOUNDS, Treatment(bad_episodes="trim"))
    whole = random_episode(0, 9)
    states = whole.observations.copy()
    states[2] = np.nan
    kept = checker.check(0, states, whole.actions, whole.images)
    assert kept is not None and kept.images is not None and whole.images is not None
    np.testing.assert_array_equal(kept.observations, whole.observations[3:])
    np.testing.assert_array_equal(kept.images, whole.images[3:])


def test_an_episode_with_an_image_too_few_is_bad() -> None:
    whole = random_episode(4, 9)
    assert whole.images is not None
    with pytest.raises(DatasetError, match="episode 4: there are 9 images of 10 observations"):
        EpisodeChecker(BOUNDS).check(4, whole.observations, whole.actions, whole.images[1:])
    for treatment in (Treatment(bad_episodes="skip"), Treatment(bad_episodes="trim")):
        checker = EpisodeChecker(BOUNDS, treatment)
        assert checker.check(4, whole.observations, whole.actions, whole.images[1:]) is None
        assert checker.counts() == {"bad_episodes_skipped": 1}


def test_joined_episodes_keep_their_images() -> None:
    first, second = random_episode(0, 3), random_episode(1, 6)
    assert first.images is not None and second.images is not None
    (joined,) = join_short([first, second], 5)
    assert joined.images is not None
    np.testing.assert_array_equal(joined.images, np.concatenate([first.images[:-1], second.images]))


def test_images_of_another_shape_are_not_appended(tmp_path: Path) -> None:
    with ClipWriter(tmp_path / "clips.hdf5", HORIZON, BOUNDS) as writer:
        writer.append(random_episode(0, 6))
        with pytest.raises(DatasetError, match=r"episode 1 has images of shape \(3, 2, 1\), those before have \(2, 3"):
            writer.append(random_episode(1, 6, (3, 2, 1)))
        with pytest.raises(DatasetError, match="episode 2 has images of shape None"):
            writer.append(Episode(2, np.zeros((7, 1), np.float32), np.zeros((6, 1), np.float32)))
        assert writer.episodes == 1


def test_cameras_that_change_their_size_are_refused(tmp_path: Path) -> None:
    folder = write_sliders(tmp_path / "sliders")
    with h5py.File(folder / "2.hdf5", "a") as file:
        del file["observations/camera"]
        file["observations/camera"] = np.zeros((21, 16, 12, 3), np.uint8)
    with pytest.raises(DatasetError, match=r"episode 2: the image 'camera' has shape \(16, 12, 3\), those before"):
        extract(folder, tmp_path / "clips.hdf5")


def test_many_images_need_little_memory(tmp_path: Path) -> None:
    """300 MB of images are extracted, and windows of them read, within 60 MB beyond the start."""
    code = f"""
import resource
from pathlib import Path
import h5py, numpy as np
from PIL import Image
from spirl_cli.clips.reader import Clips, ClipWriter
from spirl_cli.demos.demonstrations import Demonstrations
from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.demos.identity import identity_of
from spirl_cli.recipe.sections.extract import ExtractSection

folder = Path({str(tmp_path)!r})
for number in range(25):
    with h5py.File(folder / f"{{number:02}}.h5", "w") as file:
        file["actions"], file["observations/state"] = np.zeros((249, 1), np.float32), np.zeros((250, 2))
        shades = np.arange(250, dtype=np.uint8)[:, None, None, None]
        file["observations/camera"] = np.broadcast_to(shades, (250, 128, 128, 3))
def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
parts = [{{"key": "state"}}, {{"key": "camera", "image": {{"size": [128, 128]}}}}]
section = ExtractSection.model_validate({{"dataset": str(folder), "observation": parts, "action_bounds": (-1, 1)}})
before = megabytes()
source = open_dataset(str(folder))
demonstrations = Demonstrations(section, source, identity_of(source))
with ClipWriter(folder / "clips.hdf5", 10, demonstrations.bounds) as writer:
    for episode in demonstrations:
        writer.append(episode)
    writer.finish(0.1, 0, {{}}, frames=2)
del episode
clips = Clips.open(folder / "clips.hdf5")
shown = clips.images(clips.starts("train")[:64])
assert shown.shape == (64, 128, 128, 6) and (folder / "clips.hdf5").stat().st_size > 300e6
np.testing.assert_array_equal(shown[:, 0, 0, -1], np.arange(64))
print(megabytes() - before)
"""
    assert float(run_python(code).stdout) < 60
