"""Compressed images in datasets: PNG or JPEG files as bytes, and arrays that are decoded when they are read."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from spirl_cli.demos.formats.checks import damage_refused
from spirl_cli.errors import DatasetError

_PIXELS = 2**26  # largest picture that is decoded


class DecodedImages:
    """Images of an episode, decoded when they are sliced; otherwise as an array of shape (T, rows, columns, channels).

    Args:
        shape: T, rows, columns and channels.
        dtype: of the pixels.
        decode: returns the images from one to before another, as an array.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], decode: Callable[[int, int], np.ndarray]) -> None:
        self.shape, self.dtype = shape, dtype
        self._decode = decode

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return successive images."""
        first, stop, _ = rows.indices(len(self))
        return self._decode(first, stop)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all images."""
        return np.asarray(self[:], dtype=dtype)


def decoded_pictures(files: list[bytes], where: str) -> DecodedImages:
    """Return the PNG or JPEG files of an episode, decoded when they are read.

    Args:
        files: one for each state.
        where: dataset, episode and camera, for messages.

    Raises:
        DatasetError: the first one is no such file, damaged, or far too large; later also where others are, or are not
            as large as the first.
    """
    if not files:
        return DecodedImages((0, 1, 1, 1), np.dtype(np.uint8), lambda first, stop: np.empty((0, 1, 1, 1), np.uint8))
    one = _decode(files[0], f"{where}: image 0")

    def decode(first: int, stop: int) -> np.ndarray:
        images = np.empty((max(stop - first, 0), *one.shape), one.dtype)
        for place, data in enumerate(files[first:stop]):
            image = _decode(data, f"{where}: image {first + place}")
            if image.shape != one.shape or image.dtype != one.dtype:
                raise DatasetError(f"{where}: image {first + place} has shape {image.shape}, image 0 has {one.shape}")
            images[place] = image
        return images

    return DecodedImages((len(files), *one.shape), one.dtype, decode)


def _decode(data: bytes, where: str) -> np.ndarray:
    """Return a PNG or JPEG file as an array, (rows, columns) or (rows, columns, channels)."""
    from PIL import Image

    with damage_refused(where):
        try:
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
                if picture.width * picture.height > _PIXELS:
                    raise ValueError(f"it has {picture.width}×{picture.height} pixels")
                return np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
        except (SyntaxError, Image.DecompressionBombError) as error:  # Pillow's, of damaged files
            raise ValueError(str(error)) from error
