"""Images of stored states: drawn from a state and its episode's scene when a window is read.

A scene is what does not change during an episode, such as the layout of a maze; not every domain has them. Storing
it and the states takes a hundredth of the room of the images.
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
    """How images are made.

    Attributes:
        kind: the domain whose images they are.
        frames: F, images of successive steps that are stacked along the channels.
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
        """Whether a state alone does not say what is seen."""
        return self.section.has_scenes

    def to_json(self) -> str:
        """Return the form in which clips files hold it."""
        return json.dumps(asdict(self), sort_keys=True)


def drawing_of(env: EnvSection) -> Drawing | None:
    """Return how an environment's images are made, or None if they cannot be drawn from states."""
    return Drawing(env.kind, env.clip_values()["frames"]) if env.draws_images else None


def pack_scene(scene: np.ndarray) -> np.ndarray:
    """Return a bool array as bits, uint8 (n,)."""
    return np.packbits(scene)


class SceneImages:
    """The scenes of all episodes, and what can be drawn from them.

    Args:
        drawing: JSON of a `Drawing`.
        packed: uint8 (E, n), a packed scene per episode; None where there are no scenes.
        shape: of a scene.

    Raises:
        ArtifactError: the kind of drawing is not known.
    """

    def __init__(self, drawing: str, packed: np.ndarray | None = None, shape: tuple[int, ...] = ()) -> None:
        self._drawing = Drawing(**json.loads(drawing))
        self._pixels = self._drawing.section.pixels
        self._packed = packed
        self._shape = shape

    @property
    def frames(self) -> int:
        """Images that are stacked along the channels."""
        return self._drawing.frames

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of a stacked image."""
        rows, columns, channels = self._pixels
        return rows, columns, channels * self.frames

    def scenes(self, episodes: np.ndarray) -> np.ndarray:
        """Return the scenes of some episodes, bool (B, ...)."""
        assert self._packed is not None, "these episodes have no scenes"
        bits = np.unpackbits(self._packed[episodes], axis=-1, count=math.prod(self._shape))
        return bits.view(bool).reshape(len(episodes), *self._shape)

    def draw(self, episodes: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Return one image for each state, uint8 (B, rows, columns, 3).

        Args:
            episodes: whose scene each state belongs to, (B,).
            states: (B, D), as the domain's `draw` wants them.
        """
        scenes = None if self._packed is None else self.scenes(episodes)
        drawn = find_domain(self._drawing.kind).draw(scenes, states)
        assert drawn is not None, "a drawn section belongs to a domain that draws"
        return drawn


def read_scene_images(file: h5py.File) -> SceneImages | None:
    """Return what a clips file's images are drawn from, or None if it has none."""
    if "drawing" not in file.attrs:
        return None
    if "scenes" not in file:
        return SceneImages(file.attrs["drawing"])
    scenes = file["scenes"]
    shape: Any = scenes.attrs["shape"]
    return SceneImages(file.attrs["drawing"], scenes[()], tuple(int(size) for size in shape))
