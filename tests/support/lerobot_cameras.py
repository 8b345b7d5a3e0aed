"""Cameras for the LeRobot datasets that tests write: images in parquet, and videos."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

FPS = 20


def film(lengths: Sequence[int], shape: tuple[int, int] = (64, 96)) -> list[np.ndarray]:
    """Return smooth films uint8 (T, rows, columns, 3), in which every frame of every episode looks different."""
    films = []
    for number, length in enumerate(lengths):
        rows, columns = np.mgrid[: shape[0], : shape[1]] / 16
        time = np.arange(length)[:, None, None] / 3 + 7 * number
        shades = [np.sin(rows + time), np.cos(columns - time), np.sin(rows + columns + 2 * time)]
        films.append((127 + 100 * np.stack(np.broadcast_arrays(*shades), axis=-1)).astype(np.uint8))
    return films


def add_pictures(folder: Path, camera: str, films: Sequence[np.ndarray], format: str = "PNG") -> None:
    """Add a column of image files to a dataset of either version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in sorted((folder / "data").rglob("*.parquet")):
        file = pq.ParquetFile(path)
        tables = [file.read_row_group(group) for group in range(file.num_row_groups)]
        changed = [_with_pictures(pa, table, camera, films, format) for table in tables]
        with pq.ParquetWriter(path, changed[0].schema) as writer:
            for table in changed:
                writer.write_table(table)
    _add_feature(folder, camera, "image", films[0].shape[1:])


def _with_pictures(pa: Any, table: Any, camera: str, films: Sequence[np.ndarray], format: str) -> Any:
    places = zip(table.column("episode_index").to_pylist(), table.column("frame_index").to_pylist(), strict=True)
    column = [{"bytes": _encoded(films[episode][frame], format), "path": f"{frame}.png"} for episode, frame in places]
    return table.append_column(camera, pa.array(column, pa.struct({"bytes": pa.binary(), "path": pa.string()})))


def _encoded(image: np.ndarray, format: str) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format)
    return stream.getvalue()


def add_videos(folder: Path, camera: str, films: Sequence[np.ndarray], codec: str = "libx264") -> None:
    """Add videos to a dataset: one for each episode in version 2.1, all in two files in version 3.0."""
    if (folder / "meta" / "episodes.jsonl").exists():
        for number, frames in enumerate(films):
            write_video(folder / f"videos/chunk-000/{camera}/episode_{number:06}.mp4", frames, codec)
    else:
        _add_shared_videos(folder, camera, films, codec)
    _add_feature(folder, camera, "video", films[0].shape[1:])


def _add_shared_videos(folder: Path, camera: str, films: Sequence[np.ndarray], codec: str) -> None:
    places: dict[int, dict[str, float]] = {}
    half = len(films) // 2
    for file, members in enumerate((range(half), range(half, len(films)))):
        frames = np.concatenate([films[number] for number in members])
        write_video(folder / f"videos/{camera}/chunk-000/file-{file:03}.mp4", frames, codec)
        ends = np.cumsum([len(films[number]) for number in members]) / FPS
        for number, start, stop in zip(members, [0.0, *ends], ends, strict=False):
            places[number] = {"chunk_index": 0, "file_index": file, "from_timestamp": start, "to_timestamp": stop}
    change_places(folder, camera, places)


def change_places(folder: Path, camera: str, places: dict[int, dict[str, float]]) -> None:
    """Write where videos lie into the list of episodes of a dataset of version 3.0."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in sorted((folder / "meta" / "episodes").rglob("*.parquet")):
        rows = pq.read_table(path).to_pylist()
        for row in rows:
            row.update({f"videos/{camera}/{name}": value for name, value in places[row["episode_index"]].items()})
        pq.write_table(pa.Table.from_pylist(rows), path)


def write_video(path: Path, frames: np.ndarray, codec: str = "libx264", fps: int = FPS) -> None:
    """Write an mp4 file as lerobot does, of good quality."""
    import imageio_ffmpeg

    path.parent.mkdir(parents=True, exist_ok=True)
    quality = {"libx264": ["-crf", "14", "-g", "12", "-bf", "3"], "libsvtav1": ["-crf", "14", "-g", "2"]}[codec]
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (frames.shape[2], frames.shape[1]),
        fps=fps,
        codec=codec,
        quality=None,
        pix_fmt_out="yuv420p",
        output_params=quality,
        macro_block_size=1,
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()


def _add_feature(folder: Path, camera: str, kind: str, shape: tuple[int, ...]) -> None:
    path = folder / "meta" / "info.json"
    info = json.loads(path.read_text())
    info["features"][camera] = {"dtype": kind, "shape": list(shape), "names": ["height", "width", "channels"]}
    path.write_text(json.dumps(info))
