"""Videos of a LeRobotDataset: an episode's frames, decoded by the ffmpeg that comes with imageio-ffmpeg.

Version 2.1 has a file per episode and camera, ``videos/chunk-000/<camera>/episode_000000.mp4``. In version 3.0 several
episodes share one, ``videos/<camera>/chunk-000/file-000.mp4``; ``meta/episodes`` says from which second to which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spirl_cli.demos.formats.checks import DAMAGED_HINT, damage_refused, load_extra, refuse_git_lfs
from spirl_cli.demos.formats.lerobot_meta import Info
from spirl_cli.demos.formats.pictures import DecodedImages
from spirl_cli.errors import DatasetError


@dataclass(frozen=True)
class Clip:
    """Where the video of an episode lies.

    Attributes:
        file: the video file.
        start, stop: seconds in it; None: all of it.
    """

    file: Path
    start: float = 0.0
    stop: float | None = None


def find_clips(folder: Path, info: Info, camera: str, where: str) -> dict[int, Clip]:
    """Return where the video of every episode lies, by the episode's index.

    Args:
        folder: the dataset's.
        info: content of its ``meta/info.json``.
        camera: name of the feature.
        where: the dataset, for messages.

    Raises:
        DatasetError: the metadata do not say it, or are damaged.
    """
    if info.legacy:
        chunks = (folder / "videos").glob("chunk-*")
        found = (path for chunk in chunks for path in (chunk / camera).glob("episode_*.mp4"))
        return {int(path.stem.removeprefix("episode_")): Clip(path) for path in found if path.stem[8:].isdigit()}
    return dict(_shared_files(folder, camera, where))


def _shared_files(folder: Path, camera: str, where: str) -> Iterator[tuple[int, Clip]]:
    parquet = load_extra("pyarrow.parquet", "lerobot", where)
    names = [f"videos/{camera}/{name}" for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")]
    for path in sorted((folder / "meta" / "episodes").rglob("[!.]*.parquet")):
        with damage_refused(f"{where}: {path}"):
            file = parquet.ParquetFile(path)
            missing = [name for name in names if name not in file.schema_arrow.names]
            if missing:
                raise DatasetError(f"{where}: {path} does not say where the videos of episodes lie ({missing[0]})")
            table = file.read(columns=["episode_index", *names])
            for index, chunk, number, start, stop in zip(*(column.to_pylist() for column in table), strict=True):
                video = folder / "videos" / camera / f"chunk-{int(chunk):03}" / f"file-{int(number):03}.mp4"
                yield int(index), Clip(video, float(start), float(stop))


def episode_frames(clip: Clip, count: int, fps: float, where: str) -> DecodedImages:
    """Return the frames of an episode, uint8 (T, rows, columns, 3), decoded one after the other.

    Args:
        clip: where they lie.
        count: T.
        fps: frames per second, as the dataset says.
        where: dataset, episode and camera, for messages.

    Raises:
        DatasetError: the file is missing or damaged, of another rate, or the episode has another number of frames.
    """
    if not clip.file.is_file():
        raise DatasetError(f"{where}: there is no {clip.file}", "copy or download the dataset again, with its videos")
    refuse_git_lfs(clip.file)
    if clip.stop is not None and round((clip.stop - clip.start) * fps) != count:
        raise DatasetError(
            f"{where}: the video lasts from second {clip.start:g} to {clip.stop:g}, at {fps:g} frames per second "
            f"{round((clip.stop - clip.start) * fps)} frames; the data have {count}",
            "its conversion went wrong: convert or download it again",
        )
    stream = _Stream(clip, count, fps, where)
    return DecodedImages((count, *stream.size, 3), np.dtype(np.uint8), stream.read)


class _Stream:
    """Frames of a video that are read in order; reading an earlier one starts anew.

    Attributes:
        size: rows and columns.
    """

    def __init__(self, clip: Clip, count: int, fps: float, where: str) -> None:
        self._clip, self._count, self._fps, self._where = clip, count, fps, where
        self._start()

    def read(self, first: int, stop: int) -> np.ndarray:
        """Return the frames from one to before another."""
        if first < self._next:
            self._start()
        frames = np.empty((max(stop - first, 0), *self.size, 3), np.uint8)
        while self._next < stop:
            with damage_refused(self._where):
                data = next(self._frames, None)
            if data is None:
                raise DatasetError(
                    f"{self._where}: {self._clip.file} ends after {self._next} of {self._count} frames", DAMAGED_HINT
                )
            if self._next >= first:
                frames[self._next - first] = np.frombuffer(data, np.uint8).reshape(*self.size, 3)
            self._next += 1
        return frames

    def _start(self) -> None:
        """Start ffmpeg half a frame before the first one, so that rounded times cannot miss it."""
        import imageio_ffmpeg

        begin = max(self._clip.start - 0.5 / self._fps, 0.0)
        # the format is given, since ffmpeg would follow a playlist under the name of a video to other files
        given = ["-protocol_whitelist", "file", "-f", "mov", "-ss", f"{begin:.6f}"]
        wanted = ["-fps_mode", "passthrough", "-frames:v", str(self._count)]
        with damage_refused(f"{self._where}: {self._clip.file}"):
            self._frames = imageio_ffmpeg.read_frames(self._clip.file, input_params=given, output_params=wanted)
            about = next(self._frames)
            columns, rows = about["size"]
        self.size, self._next = (int(rows), int(columns)), 0
        if abs(about["fps"] - self._fps) > 0.01 * self._fps:
            raise DatasetError(
                f"{self._where}: {self._clip.file} has {about['fps']:g} frames per second, the dataset {self._fps:g}",
                "frames could not be told to steps: convert it again",
            )
