"""Shared parts of domains that draw their images from states: sections and environments.

An observation vector `(D + P,)` consists of D numbers of the state and the P pixels of the image,
flattened row by row. The environment shows a dictionary with the keys `state` and `image`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.section import EnvSection, ImageShape
from spirl_cli.errors import UsageError
from spirl_cli.settings import ObservationPart

STATE_AND_IMAGE = (ObservationPart(key="state"), ObservationPart(key="image"))


class DrawnSection(EnvSection):
    """Base of the sections of domains that draw their images.

    Attributes:
        frames: images of successive steps that are stacked along the channels, the oldest first.
    """

    needs_opengl: ClassVar[bool] = False
    draws_images: ClassVar[bool] = True
    pixels: ClassVar[ImageShape] = (32, 32, 3)  # of one image
    has_scenes: ClassVar[bool] = False  # whether images need a `scene` besides the state

    if TYPE_CHECKING:
        frames: int

    @property
    def image_shape(self) -> ImageShape | None:
        """Shape of the image at the end of the selected observation, or None without one; frames are channels.

        Raises:
            UsageError: the image is selected in part, more than once, or not last.
        """
        selected = [index for index, part in enumerate(self.observation) if part.key == "image"]
        if not selected:
            return None
        if selected != [len(self.observation) - 1]:
            raise UsageError(
                "env.observation: the image has to come last, and once", "write the part with `key: image` at the end"
            )
        if self.observation[-1] != ObservationPart(key="image"):
            raise UsageError(
                "env.observation: only the whole image can be selected, as it is drawn",
                "leave out its `indices` and its `image`",
            )
        rows, columns, channels = self.pixels
        return rows, columns, channels * self.frames

    @property
    def state_parts(self) -> tuple[ObservationPart, ...]:
        """The selection of the observation without the image."""
        return tuple(part for part in self.observation if part.key != "image")

    @property
    def stored_parts(self) -> tuple[ObservationPart, ...]:
        """The selection that clips store: images are drawn when they are read."""
        return self.state_parts

    def clip_values(self) -> dict[str, Any]:
        """Return the number of stacked frames in the images of clips."""
        return {"frames": self.frames}


class FrameStack:
    """The last images of an episode, stacked along the channels; at the first step all are equal.

    Args:
        frames: F, the number of images.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._views: npt.NDArray[np.uint8] | None = None

    def clear(self) -> None:
        """Forget the images: a new episode starts."""
        self._views = None

    def push(self, view: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Add the newest image `(rows, columns, channels)`; return a new stack `(rows, columns, channels · F)`."""
        if self._views is None:
            self._views = np.tile(view, self._frames)
            return self._views
        channels = view.shape[-1]
        moved = np.empty_like(self._views)
        # one copy of all pixels is faster than one per pixel
        moved.reshape(-1)[:-channels] = self._views.reshape(-1)[channels:]
        moved[..., -channels:] = view
        self._views = moved
        return moved
