"""Videos and pictures of evaluations, written into the page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape

from spirl_cli.payload import CURVE_FILE, VIDEOS_FOLDER
from spirl_cli.report.lines import Line
from spirl_cli.store.artifact import Artifact

PICTURE_BYTES = 2_500_000  # of all pictures together, so that a page without videos stays small
VIDEO_BYTES = 30_000_000


def media(lines: Sequence[Line], *, videos: bool) -> list[str]:
    """Return a figure for the pictures and the first video of each condition's first seed.

    What is beyond `PICTURE_BYTES` and `VIDEO_BYTES` is left out, and the page says so.
    """
    parts = [
        *_embedded(lines, (".png",), PICTURE_BYTES, "image/png"),
        *(_embedded(lines, (".mp4",), VIDEO_BYTES, "video/mp4") if videos else ()),
    ]
    return parts


def _embedded(lines: Sequence[Line], endings: tuple[str, ...], most: int, kind: str) -> Iterator[str]:
    total = left_out = 0
    for line in lines:
        for artifact in line.evaluations[:1]:
            for name in _files(artifact, endings):
                data = artifact.file(name).read_bytes()
                if total + len(data) > most:
                    left_out += 1
                    continue
                total += len(data)
                yield _figure(f"{line.name}: {artifact.reference}/{name}", kind, data)
    if left_out:
        yield f'<p class="note">{left_out} more files are in the artifacts.</p>'


def _files(artifact: Artifact, endings: tuple[str, ...]) -> list[str]:
    """Return the pictures besides the learning curve, which the page draws itself; or the first video."""
    names = sorted(
        one.file for one in artifact.manifest.outputs if one.file.endswith(endings) and one.file != CURVE_FILE
    )
    films = [name for name in names if name.startswith(f"{VIDEOS_FOLDER}/")]
    return films[:1] if films else names


def _figure(caption: str, kind: str, data: bytes) -> str:
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    shown = (
        f'<video controls muted loop preload="metadata" src="{source}"></video>'
        if kind.startswith("video")
        else f'<img alt="{escape(caption, quote=True)}" src="{source}">'
    )
    return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"
