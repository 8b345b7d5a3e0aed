"""Which part of an observation vector is an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.blocks.geometry import state_size
from spirl_cli.domains.maze.image import CHANNELS, PIXELS
from spirl_cli.domains.sections import BlocksSection, DrawnSection, EnvSection
from spirl_cli.errors import UsageError
from spirl_cli.observation import select
from spirl_cli.settings import ObservationPart


def image_shape(section: EnvSection) -> tuple[int, int, int] | None:
    """Return the shape of the image that ends the selected observation, None where there is none.

    An observation vector (D + P,) consists of D numbers of the state and the P pixels of the image,
    flattened row by row. Images of other environments than maze and blocks are numbers like all others.

    Returns:
        Rows, columns and channels; stacked frames are channels.

    Raises:
        UsageError: the image is not selected as a whole, once, and last.
    """
    if not isinstance(section, DrawnSection):
        return None
    selected = [index for index, part in enumerate(section.observation) if part.key == "image"]
    if not selected:
        return None
    if selected != [len(section.observation) - 1]:
        raise UsageError(
            "env.observation: the image has to come last, and once", "write the part with `key: image` at the end"
        )
    if section.observation[-1].indices is not None:
        raise UsageError("env.observation: only the whole image can be selected", "leave out its `indices`")
    return PIXELS, PIXELS, CHANNELS * section.frames


def without_oldest(views: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a copy of stacked views (rows, columns, 3 · frames) that all moved up by one, for a new one at the end."""
    moved = np.empty_like(views)
    moved.reshape(-1)[:-CHANNELS] = views.reshape(-1)[CHANNELS:]  # all at once, since that is faster than by pixels
    return moved


def state_parts(section: EnvSection) -> tuple[ObservationPart, ...]:
    """Return the selection of the observation without an image that is drawn."""
    parts = section.observation
    return tuple(part for part in parts if part.key != "image") if isinstance(section, DrawnSection) else parts


def block_numbers(section: BlocksSection) -> np.ndarray:
    """Return which numbers of the state of blocks are selected, (D,)."""
    return select({"state": np.arange(state_size(section.blocks))}, state_parts(section)).astype(np.intp)
