"""Which part of an observation vector is an image."""

from __future__ import annotations

from spirl_cli.errors import UsageError
from spirl_cli.maze.image import CHANNELS, PIXELS
from spirl_cli.recipe.schema import EnvSection, MazeSection


def image_shape(section: EnvSection) -> tuple[int, int, int] | None:
    """Return the shape of the image that ends the selected observation, None where there is none.

    An observation vector (D + P,) consists of D numbers of the state and the P pixels of the image,
    flattened row by row. Images of environments other than the maze are numbers like all others.

    Returns:
        Rows, columns and channels; stacked frames are channels.

    Raises:
        UsageError: the image is not selected as a whole, once, and last.
    """
    if not isinstance(section, MazeSection):
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
