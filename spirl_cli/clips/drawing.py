"""Images of clips: drawn from a state and its episode's scene when a window is read.

A scene is the part of a picture that stays the same during an episode, such as the layout of a maze. Not every domain
has scenes. Scenes and states need a hundredth of the space of the images.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import h5py
import numpy as np

from spirl_cli.domains.drawn import DrawnSection
from spirl_cli.domains.registry import find_domain
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import ArtifactError, UsageError


@dataclass(frozen=True)
class Drawing:
    """The domain and the settings that images are drawn with.

    Attributes:
        kind: the domain that draws the images.
        frames: F, number of successive images that are stacked along the channels.
    """

    kind: str
    frames: int

    @property
    def section(self) -> type[DrawnSection]:
        """The class of the domain's section.

        Raises:
            ArtifactError: there is no such domain, or it does not draw images.
        """
        try:
            section = find_domain(self.kind).section
        except UsageError:
            section = EnvSection
        if not issubclass(section, DrawnSection):
            raise ArtifactError(f"images of the kind '{self.kind}' cannot be drawn by this version")
        return section

    @property
    def needs_scenes(self) -> bool:
        """Whether images need a scene besides the state."""
        return self.section.has_scenes

    def to_json(self) -> str:
        """Return the form in which it is stored in clips files."""
        return json.dumps(asdict(self), sort_keys=True)


def drawing_of(env: EnvSection) -> Drawing | None:
    """Return how an environment's images are drawn, or None if they cannot be drawn from states."""
    return Drawing(env.kind, env.clip_values()["frames"]) if env.draws_images else None


def pack_scene(scene: np.ndarray) -> np.ndarray:
    """Return a bool array as bits, uint8 `(n,)`."""
    return np.packbits(scene)


class SceneImages:
    """The scenes of all episodes, and images drawn from them.

    Args:
        drawing: JSON of a `Drawing`.
        packed: uint8 `(E, n)`, a packed scene per episode; None if the domain has no scenes.
        shape: shape of a scene.

    Raises:
        ArtifactError: the domain is unknown or draws no images.
    """

    def __init__(self, drawing: str, packed: np.ndarray | None = None, shape: tuple[int, ...] = ()) -> None:
        self._drawing = Drawing(**json.loads(drawing))
        self._pixels = self._drawing.section.pixels
        self._packed = packed
        self._shape = shape

    @property
    def frames(self) -> int:
        """Number of images that are stacked along the channels."""
        return self._drawing.frames

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of a stacked image."""
        rows, columns, channels = self._pixels
        return rows, columns, channels * self.frames

    def scenes(self, episodes: np.ndarray) -> np.ndarray:
        """Return the scenes of the given episodes, bool `(B, ...)`."""
        assert self._packed is not None, "these episodes have no scenes"
        bits = np.unpackbits(self._packed[episodes], axis=-1, count=math.prod(self._shape))
        return bits.view(bool).reshape(len(episodes), *self._shape)

    def draw(self, episodes: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Return one image for each state, uint8 `(B, rows, columns, 3)`.

        Args:
            episodes: index of the episode of each state, `(B,)`.
            states: states as the domain's `draw` takes them, `(B, D)`.
        """
        scenes = None if self._packed is None else self.scenes(episodes)
        drawn = find_domain(self._drawing.kind).draw(scenes, states)
        assert drawn is not None, "a drawn section belongs to a domain that draws"
        return drawn


def read_scene_images(file: h5py.File) -> SceneImages | None:
    """Return the scenes and drawing of a clips file, or None if it has no images."""
    if "drawing" not in file.attrs:
        return None
    if "scenes" not in file:
        return SceneImages(file.attrs["drawing"])
    scenes = file["scenes"]
    shape: Any = scenes.attrs["shape"]
    return SceneImages(file.attrs["drawing"], scenes[()], tuple(int(size) for size in shape))
