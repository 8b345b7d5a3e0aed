"""Images in observations, the same way in datasets, environments and agents: checked, resized, stacked.

A part of an observation that is marked with `image` is uint8, (rows, columns, channels), (channels, rows, columns) or,
of a single channel, `(rows, columns)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.drawn import FrameStack
from spirl_cli.errors import UsageError
from spirl_cli.observation import look_up, name_of, select
from spirl_cli.settings import ImageFormat, ObservationPart, image_shape_of, images_of, numbers_of

Images = npt.NDArray[np.uint8]

BLOCK_BYTES = 16 * 2**20  # of images that are resized at once


def resize(images: Images, size: tuple[int, int]) -> Images:
    """Resize images by averaging areas.

    Args:
        images: `(B, rows, columns, channels)`.
        size: rows and columns of the result.
    """
    from PIL import Image

    if images.shape[1:3] == size:
        return images
    resized = np.empty((len(images), *size, images.shape[-1]), np.uint8)
    for image, target in zip(images, resized, strict=True):
        for channel in range(images.shape[-1]):  # one by one, since Pillow takes a fourth one for transparency
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            target[..., channel] = np.asarray(plane.resize((size[1], size[0]), Image.Resampling.BOX))
    return resized


class Cameras:
    """The images among the parts of an observation.

    Args:
        parts: a selection; those that are not marked as images are passed over.

    Attributes:
        shape: rows, columns and channels of the stacked images.
    """

    def __init__(self, parts: Sequence[ObservationPart]) -> None:
        self._parts = images_of(parts)
        self.shape = image_shape_of(parts) or (0, 0, 0)
        self._first: dict[str | None, tuple[int, ...]] = {}  # shapes of the images that were seen first

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._parts)

    def images(self, observation: Any, leading: int = 0) -> Images:
        """Return the resized images, stacked along the channels: uint8 `(..., rows, columns, channels)`.

        Args:
            observation: as `select` takes it. Arrays that are read from a file when they are indexed, such as those of
                HDF5, are read in blocks.
            leading: 0 for one observation, 1 for all observations of an episode or a batch.

        Raises:
            UsageError: a key is missing, an array is no image of this form, or of another size than those before.
        """
        leaves = self.leaves(observation, leading)
        if leading:
            return self.read(leaves, 0, len(leaves[0]))
        return self.read([np.asarray(leaf)[np.newaxis] for leaf in leaves], 0, 1)[0]

    def leaves(self, observation: Any, leading: int = 0) -> list[Any]:
        """Return the arrays of the images, or what stands for arrays that are read when they are indexed.

        Raises:
            UsageError: as `images`.
        """
        return [self._leaf(look_up(observation, part.key), part, leading) for part in self._parts]

    def read(self, leaves: Sequence[Any], first: int, stop: int) -> Images:
        """Read successive images in blocks, resize and stack them: uint8 `(stop - first, rows, columns, channels)`.

        Args:
            leaves: of `leaves`, with one leading axis.
            first, stop: the first row and the one after the last.
        """
        forms = [part.image for part in self._parts if part.image is not None]
        steps = [max(1, BLOCK_BYTES // max(1, math.prod(leaf.shape[1:]))) for leaf in leaves]
        if len(leaves) == 1 and 0 < stop - first <= steps[0]:  # one block needs no copy
            return _formed(np.asarray(leaves[0][first:stop]), forms[0])
        images = np.empty((max(stop - first, 0), *self.shape), np.uint8)
        channel = 0
        for leaf, form, step in zip(leaves, forms, steps, strict=True):
            for row in range(first, stop, step):
                block = _formed(np.asarray(leaf[row : min(row + step, stop)]), form)
                images[row - first : row - first + step, ..., channel : channel + form.channels] = block
            channel += form.channels
        return images

    def _leaf(self, leaf: Any, part: ObservationPart, leading: int) -> Any:
        array = leaf if hasattr(leaf, "dtype") and hasattr(leaf, "shape") else np.asarray(leaf)
        _check_image(array, part, leading)
        self._check_size(tuple(array.shape[leading:]), part.key)
        return array

    def _check_size(self, shape: tuple[int, ...], key: str | None) -> None:
        first = self._first.setdefault(key, shape)
        if shape != first:
            raise UsageError(
                f"the image {name_of(key)} has shape {shape}, those before have {first}",
                "all images of a camera need the same size",
            )


class View:
    """What networks see of the observations of some environments: vectors of numbers, then of pixels (0 to 255).

    Args:
        parts: a selection; its images come last.
        frames: F, successive images that are stacked along the channels, the oldest first; at an episode's
            first step all are the same.
        rows: B, number of environments.
    """

    def __init__(self, parts: Sequence[ObservationPart], frames: int = 1, rows: int = 1) -> None:
        self._numbers, self._cameras = numbers_of(parts), Cameras(parts)
        self._stacks = [FrameStack(frames) for _ in range(rows)]

    def begin(self, row: int = 0) -> None:
        """Forget the images of an environment: its next observation is the first of an episode."""
        self._stacks[row].clear()

    def see(self, observation: Any, leading: int = 0) -> npt.NDArray[np.float32]:
        """Return the vectors, float32 `(D+P,)`, or `(B, D+P)` with one leading axis in every array.

        Raises:
            UsageError: as `select` and `Cameras.images`, or there are not as many observations as environments.
        """
        numbers = select(observation, self._numbers, leading)
        if not self._cameras:
            return numbers
        images = self._cameras.images(observation, leading)
        images = images if leading else images[np.newaxis]
        if len(images) != len(self._stacks):
            raise UsageError(f"there are {len(images)} observations of {len(self._stacks)} environments")
        stacked = [stack.push(image) for stack, image in zip(self._stacks, images, strict=True)]
        pixels = np.stack(stacked).reshape(*numbers.shape[:-1], -1)
        return np.concatenate([numbers, pixels], axis=-1, dtype=np.float32, casting="unsafe")


def _formed(images: Images, form: ImageFormat) -> Images:
    """Return images `(B, …)` with their channels last, resized."""
    if images.ndim == 3:
        images = images[..., np.newaxis]
    elif images.shape[-1] != form.channels:
        images = np.moveaxis(images, 1, -1)
    return resize(images, form.size)


def _check_image(array: Any, part: ObservationPart, leading: int) -> None:
    assert part.image is not None
    channels, shape = part.image.channels, tuple(array.shape[leading:])
    if array.dtype != np.uint8:
        raise UsageError(
            f"the image {name_of(part.key)} is of type {array.dtype}, not uint8",
            "store images as whole numbers of 8 bits, 0 to 255; leave out `image` where these are no pixels",
        )
    flat = len(shape) == 2 and channels == 1
    if not flat and (len(shape) != 3 or channels not in (shape[-1], shape[0])):
        raise UsageError(
            f"the image {name_of(part.key)} has shape {shape}; expected (rows, columns, {channels}) or ({channels}, "
            "rows, columns)",
            "say how many channels it has, as in `image: {size: [64, 64], channels: 1}`; images have 1, 3 or 4",
        )
