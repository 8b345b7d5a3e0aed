"""What every section of a recipe is made of: its base class, indices of a vector, parts of an observation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, PositiveInt, model_validator

from spirl_cli.errors import UsageError

Precision = Annotated[
    Literal["auto", "float32", "bfloat16"] | None,
    # null in fingerprints: it is what recipes without the key have
    AfterValidator(lambda precision: None if precision == "float32" else precision),
]
MAX_ENVIRONMENTS = 1024  # at once: each is a process
_RANGE = re.compile(r"(-?[0-9]{1,9})?:(-?[0-9]{1,9})?(?::([1-9][0-9]{0,8}))?")


def checked_index(index: int | str) -> int | str:
    """Return `index` if it is an integer or reads as a range.

    Raises:
        ValueError: otherwise (the form in which pydantic wants it).
    """
    if isinstance(index, str) and not _RANGE.fullmatch(index):
        raise ValueError(f"must be an integer or a range such as 18:39, not '{index}'")
    return index


def expand_indices(indices: Sequence[int | str] | None, size: int) -> list[int]:
    """Expand integers and Python-like ranges to a list of integers in `0 … size - 1`.

    Args:
        indices: integers (negative ones count from the end) and ranges `start:stop` or
            `start:stop:step`, in which start or stop may be missing; None takes everything.
        size: length of the vector.

    Raises:
        UsageError: for an index or range that leaves the vector, an empty range, or text that is
            no range. (Python would silently shorten a range that is too long.)
    """
    if indices is None:
        return list(range(size))
    return [number for index in indices for number in _expand(index, size)]


def _expand(index: int | str, size: int) -> Sequence[int]:
    if isinstance(index, int):
        return (_from_start(index, size - 1, size, index),)
    match = _RANGE.fullmatch(index)
    if match is None:
        raise UsageError(f"The index '{index}' must be an integer or a range such as 18:39.")
    start, stop, step = match.groups()
    first = _from_start(int(start or 0), size, size, index)
    end = size if stop is None else _from_start(int(stop), size, size, index)
    numbers = range(first, end, int(step or 1))
    if not numbers:
        raise UsageError(f"The index range '{index}' is empty for {size} numbers.")
    return numbers


def _from_start(number: int, largest: int, size: int, shown: int | str) -> int:
    """Return `number` counted from the start, if that is in `0 … largest`."""
    counted = number + size if number < 0 else number
    if not 0 <= counted <= largest:
        raise UsageError(f"The index '{shown}' is out of range for {size} numbers.")
    return counted


Index = Annotated[int | str, AfterValidator(checked_index)]  # 3 or "18:39"


class Section(BaseModel):
    """Base of all sections: immutable; a misspelt key, inf and nan are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ImageFormat(Section):
    """The form in which an image is seen: rows and columns after resizing, and its channels."""

    size: tuple[PositiveInt, PositiveInt]  # rows and columns after resizing. Unit: pixels. Try: [64, 64]
    channels: Literal[1, 3, 4] = 3  # of the image in the dataset and the environment: grey, RGB, or RGB and depth


class ObservationPart(Section):
    """One piece of an observation: a (nested) key and the indices taken from that array.

    `key` is a path such as `observation` or `robot/qpos`; null stands for an observation
    that is a plain array. `indices` are integers or Python-like ranges such as `"18:39"`;
    null takes everything. The parts are flattened and concatenated in the order given.
    `image` marks the array as a camera's image, uint8 `(rows, columns, channels)` or with the channels first.
    """

    # path of an array in the observation, such as `robot/qpos`; null: the observation is a plain array
    key: str | None = None
    # numbers that are taken of the flattened array: integers and ranges such as "18:39"; null: all
    indices: tuple[Index, ...] | None = None
    # marks the array as a camera's image, and says how it is seen; null: numbers. Images come after all numbers
    image: ImageFormat | None = None

    @model_validator(mode="after")
    def _images_are_whole(self) -> ObservationPart:
        if self.image is not None and self.indices is not None:
            raise ValueError("only a whole image can be selected. Leave out its `indices`")
        return self


WHOLE_OBSERVATION = (ObservationPart(),)


def images_of(parts: Sequence[ObservationPart]) -> tuple[ObservationPart, ...]:
    """Return the parts that are marked as images."""
    return tuple(part for part in parts if part.image is not None)


def numbers_of(parts: Sequence[ObservationPart]) -> tuple[ObservationPart, ...]:
    """Return the parts that are not marked as images."""
    return tuple(part for part in parts if part.image is None)


def image_shape_of(parts: Sequence[ObservationPart]) -> tuple[int, int, int] | None:
    """Return rows, columns and channels of the marked images, stacked along the channels; None without any."""
    formats = [part.image for part in parts if part.image is not None]
    return (*formats[0].size, sum(one.channels for one in formats)) if formats else None


def checked_observation(parts: tuple[ObservationPart, ...]) -> tuple[ObservationPart, ...]:
    """Return a selection if its images come last, have one size, and do not stand alone.

    Raises:
        ValueError: otherwise (the form in which pydantic wants it).
    """
    images = images_of(parts)
    if not images:
        return parts
    if parts[-len(images) :] != images:
        raise ValueError("images have to come last. Write the parts with `image` at the end")
    if len(images) == len(parts):
        raise ValueError("numbers are needed beside images, since skill encoder and critics see only those")
    sizes = {part.image.size for part in images if part.image is not None}
    if len(sizes) > 1:
        raise ValueError("all images need the same `size`, since they are stacked along the channels")
    return parts


Observation = Annotated[tuple[ObservationPart, ...], AfterValidator(checked_observation)]
