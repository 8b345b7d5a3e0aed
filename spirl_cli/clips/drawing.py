"""Images of stored states: drawn from a state and its episode's scene when a window is read.

A scene is what does not change during an episode, such as the layout of a maze; blocks have none. Storing
it and the states takes a hundredth of the room of the images.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import h5py
import numpy as np

from spirl_cli.domains.blocks import image as blocks_image
from spirl_cli.domains.maze import image as maze_image
from spirl_cli.domains.sections import DrawnSection, EnvSection
from spirl_cli.errors import ArtifactError

KINDS = ("maze", "blocks")


@dataclass(frozen=True)
class Drawing:
    """How images are made.

    Attributes:
        kind: whose images; ``maze`` or ``blocks``.
        frames: F, images of successive steps that are stacked along the channels.
    """

    kind: str
    frames: int

    @property
    def needs_scenes(self) -> bool:
        """Whether a state alone does not say what is seen."""
        return self.kind == "maze"

    def to_json(self) -> str:
        """Return the form in which clips files hold it."""
        return json.dumps(asdict(self), sort_keys=True)


def drawing_of(env: EnvSection) -> Drawing | None:
    """Return how an environment's images are made, or None if they cannot be drawn from states."""
    return Drawing(env.kind, env.frames) if isinstance(env, DrawnSection) else None


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
        if self._drawing.kind not in KINDS:
            raise ArtifactError(f"images of the kind '{self._drawing.kind}' cannot be drawn by this version")
        self._packed = packed
        self._shape = shape

    @property
    def frames(self) -> int:
        """Images that are stacked along the channels."""
        return self._drawing.frames

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of a stacked image."""
        drawn = blocks_image if self._drawing.kind == "blocks" else maze_image
        return drawn.PIXELS, drawn.PIXELS, drawn.CHANNELS * self.frames

    def scenes(self, episodes: np.ndarray) -> np.ndarray:
        """Return the scenes of some episodes, bool (B, ...)."""
        assert self._packed is not None, "these episodes have no scenes"
        bits = np.unpackbits(self._packed[episodes], axis=-1, count=math.prod(self._shape))
        return bits.view(bool).reshape(len(episodes), *self._shape)

    def draw(self, episodes: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Return one image for each state, uint8 (B, rows, columns, 3).

        Args:
            episodes: whose scene each state belongs to, (B,).
            states: (B, D): in the maze the position (x, y) first, of blocks the whole state.
        """
        if self._drawing.kind == "blocks":
            return blocks_image.draw(states)
        return maze_image.draw(self.scenes(episodes), states[:, :2])


def read_scene_images(file: h5py.File) -> SceneImages | None:
    """Return what a clips file's images are drawn from, or None if it has none."""
    if "drawing" not in file.attrs:
        return None
    if "scenes" not in file:
        return SceneImages(file.attrs["drawing"])
    scenes = file["scenes"]
    shape: Any = scenes.attrs["shape"]
    return SceneImages(file.attrs["drawing"], scenes[()], tuple(int(size) for size in shape))
