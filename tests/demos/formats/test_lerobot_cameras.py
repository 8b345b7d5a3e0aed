"""Cameras of LeRobot datasets: images in parquet are exact, frames of videos are the right ones, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spirl_cli.camera import Cameras
from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.errors import DatasetError
from spirl_cli.settings import ImageFormat, ObservationPart
from tests.support.format_writers import make_episodes, write_lerobot_v3, write_lerobot_v21
from tests.support.lerobot_cameras import add_pictures, add_videos, change_places, film, write_video

pq = pytest.importorskip("pyarrow.parquet")

CAMERA = "observation.images.top"
EPISODES = make_episodes(6)
FILMS = film([len(actions) for _, actions in EPISODES])
versions = pytest.mark.parametrize("write", [write_lerobot_v3, write_lerobot_v21])


def read(folder: Path, camera: str = CAMERA) -> list[np.ndarray]:
    part = ObservationPart(key=camera, image=ImageFormat(size=FILMS[0].shape[1:3]))
    cameras = Cameras((part,))
    return [cameras.images(one.observations, 1) for one in open_dataset(str(folder), None, [camera]).episodes()]


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return the PSNR in dB."""
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


@versions
def test_png_images_are_exact(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = write(tmp_path / "own", EPISODES)
    add_pictures(folder, CAMERA, FILMS)
    found = read(folder)
    assert open_dataset(str(folder), None, [CAMERA]).notes == []
    for one, expected in zip(found, FILMS, strict=True):
        np.testing.assert_array_equal(one, expected)


def test_jpeg_images_are_alike(tmp_path: Path) -> None:
    folder = write_lerobot_v3(tmp_path / "own", EPISODES)
    add_pictures(folder, CAMERA, FILMS, "JPEG")
    assert all(likeness(*pair) > 30 for pair in zip(read(folder), FILMS, strict=True))


@pytest.mark.parametrize("codec", ["libx264", "libsvtav1"])
@versions
def test_frames_of_videos_are_the_right_ones(
    write: Callable[..., Path], codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "own", EPISODES)
    add_videos(folder, CAMERA, FILMS, codec)
    monkeypatch.setattr("spirl_cli.camera.BLOCK_BYTES", 5 * FILMS[0][0].nbytes)  # read in several blocks
    for one, expected in zip(read(folder), FILMS, strict=True):
        assert one.shape == expected.shape
        assert min(likeness(*pair) for pair in zip(one, expected, strict=True)) >= 35
        for shifted in (1, -1):
            assert likeness(np.roll(one, shifted, 0), expected) < 25


def test_cameras_that_are_not_selected_are_named_and_no_part_of_the_dataset(tmp_path: Path) -> None:
    folder = write_lerobot_v3(tmp_path / "own", EPISODES)
    add_videos(folder, CAMERA, FILMS)
    blind, seeing = open_dataset(str(folder)), open_dataset(str(folder), None, [CAMERA])
    videos = set(seeing.files()) - set(blind.files())
    assert sorted(path.name for path in videos) == ["file-000.mp4", "file-001.mp4"]
    for source, count in ((blind, 1), (seeing, 0)):
        assert len(list(source.episodes())) == len(EPISODES) and len(source.notes) == count
    assert f"1 video features are not selected: {CAMERA}" in blind.notes[0]


def change_info(folder: Path, **more: Any) -> None:
    path = folder / "meta" / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def drop_video(folder: Path) -> None:
    (folder / f"videos/{CAMERA}/chunk-000/file-001.mp4").unlink()


def cut_video(folder: Path) -> None:
    path = folder / f"videos/{CAMERA}/chunk-000/file-000.mp4"
    path.write_bytes(path.read_bytes()[:-2000])


def playlist(folder: Path) -> None:
    (folder / "secret.ts").write_bytes(b"other data")
    text = "#EXTM3U\n#EXTINF:1,\n../../../secret.ts\n#EXT-X-ENDLIST\n"
    (folder / f"videos/{CAMERA}/chunk-000/file-000.mp4").write_text(text)


def pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (folder / f"videos/{CAMERA}/chunk-000/file-000.mp4").write_text(text)


def shorter_video(folder: Path) -> None:
    write_video(folder / f"videos/{CAMERA}/chunk-000/file-000.mp4", np.concatenate(FILMS[:3])[:-4])


def slower_video(folder: Path) -> None:
    write_video(folder / f"videos/{CAMERA}/chunk-000/file-000.mp4", np.concatenate(FILMS[:3]), fps=10)


def other_places(folder: Path) -> None:
    place = {"chunk_index": 0, "file_index": 0, "from_timestamp": 0.0, "to_timestamp": 0.9}
    change_places(folder, CAMERA, dict.fromkeys(range(len(EPISODES)), place))


def uneven_times(folder: Path) -> None:
    import pyarrow as pa

    (path,) = (folder / "data").rglob("*.parquet")
    table = pq.read_table(path)
    times = np.asarray(table.column("timestamp")).copy()
    times[5] += 0.06
    pq.write_table(table.set_column(table.column_names.index("timestamp"), "timestamp", pa.array(times)), path)


def no_rate(folder: Path) -> None:
    change_info(folder, fps=None)


REFUSED: dict[Callable[[Path], None], str] = {
    drop_video: r"episode 3, observation.images.top: there is no .*file-001.mp4",
    cut_video: r"episode 0, observation.images.top: .*file-000.mp4 cannot be read",
    playlist: r"episode 0, observation.images.top: .*file-000.mp4 cannot be read",
    pointer: r"file-000.mp4 is a Git LFS pointer",
    shorter_video: r"episode 2, observation.images.top: .*file-000.mp4 ends after 10 of 14 frames",
    slower_video: r"file-000.mp4 has 10 frames per second, the dataset 20",
    other_places: r"from second 0 to 0.9, at 20 frames per second 18 frames; the data have 12",
    uneven_times: r"frame 5 of episode 0 has the time 0.31 s, at 20 frames per second it should be 0.25 s",
    no_rate: r"does not say the frames per second",
}


@pytest.mark.parametrize("spoil", REFUSED)
def test_videos_that_could_be_misread_are_refused(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    folder = write_lerobot_v3(tmp_path / "own", EPISODES)
    add_videos(folder, CAMERA, FILMS)
    spoil(folder)
    with pytest.raises(DatasetError, match=REFUSED[spoil]):
        read(folder)


def test_a_list_of_episodes_without_places_of_videos_is_refused(tmp_path: Path) -> None:
    folder = write_lerobot_v3(tmp_path / "own", EPISODES)
    features = json.loads((folder / "meta/info.json").read_text())["features"]
    change_info(folder, features={**features, CAMERA: {"dtype": "video", "shape": [64, 96, 3]}})
    with pytest.raises(DatasetError, match="does not say where the videos of episodes lie"):
        read(folder)


@pytest.mark.parametrize("data", [b"GIF89a....", b"\x89PNG\r\n\x1a\n damaged", None])
def test_damaged_pictures_are_refused(data: bytes | None, tmp_path: Path) -> None:
    folder = write_lerobot_v3(tmp_path / "own", EPISODES)
    add_pictures(folder, CAMERA, FILMS)
    (path,) = (folder / "data").rglob("*.parquet")
    rows = pq.read_table(path).to_pylist()
    rows[3][CAMERA]["bytes"] = data
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(DatasetError, match="episode 0"):
        read(folder)
