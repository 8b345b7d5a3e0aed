"""The settings of any Gymnasium environment in a recipe: `env`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveInt, PrivateAttr

from spirl_cli.domains.section import EnvSection
from spirl_cli.settings import WHOLE_OBSERVATION, Observation, Section

# Written out, a default is the same as left out, so that it has the same fingerprint.
OrSingle = BeforeValidator(lambda value: None if value == 1 else value)
OrEver = BeforeValidator(lambda value: None if value == "ever" else value)


class RenderedImage(Section):
    """What the environment renders, as part of its observation: rows and columns after resizing."""

    size: tuple[PositiveInt, PositiveInt]  # rows and columns after resizing. Unit: pixels


class GymnasiumSection(EnvSection):
    """Any Gymnasium environment with a continuous (Box) action space."""

    file_keys: ClassVar[tuple[str, ...]] = ("module",)

    kind: Literal["gymnasium"]  # the domain
    id: str  # id of the environment, as for gymnasium.make
    kwargs: dict[str, Any] = Field(default_factory=dict)  # arguments of gymnasium.make
    # imported first, so that it can register the id; or its file, such as ./mine.py; null: nothing
    module: str | None = None
    episode_length: PositiveInt  # steps after which an episode is cut. Unit: environment steps
    # parts of the observation that networks see, joined in this order. Try: keys such as observation and desired_goal
    observation: Observation = WHOLE_OBSERVATION
    # key of `info`, or path to it, that is true once the episode succeeded; null: success is not measured. Try:
    # is_success or success
    success_key: str | None = None
    # which steps of an episode count: any (ever), or the last one only (last), where a goal can be lost again; null:
    # ever. Try: last for Fetch and other robots of gymnasium-robotics
    success: Annotated[Literal["ever", "last"] | None, OrEver] = None
    # the environment's own reward; or 1 at the step that makes an episode a success, and else 0 (success)
    reward: Literal["environment", "success"] = "environment"
    terminate_on_success: bool = False  # whether success ends the episode
    order: None = None  # always null; fingerprints hold this key
    noise: NonNegativeFloat | None = None  # null or 0: only the kitchen adds noise to observations
    # images of successive steps that are stacked along the channels, the oldest first; null: one
    frames: Annotated[PositiveInt | None, OrSingle] = None
    # adds what the environment renders under the key `pixels`; an observation that is no dictionary gets `state`
    render_image: RenderedImage | None = None
    _folder: Path | None = PrivateAttr(None)  # of the recipe; no part of its values

    def with_files(self, folder: Path) -> Self:
        """Return the section that looks for its module in a folder too."""
        section = self.model_copy()
        section._folder = folder.absolute()
        return section

    @property
    def folder(self) -> Path | None:
        """Return the recipe's folder; None where the section is not read from a file."""
        return self._folder

    @property
    def foreign_modules(self) -> tuple[str, ...]:
        """The module to import first, and one before a colon in an id, which Gymnasium imports."""
        inner = self.kwargs.get("env_id")  # of the environments that wrap one of the old gym package
        ids = (self.id, *([inner] if isinstance(inner, str) else []))
        named = (self.module, *(one.rpartition(":")[0] for one in ids))
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def stacked_frames(self) -> int:
        """How many successive images are stacked along the channels."""
        return self.frames or 1

    def clip_values(self) -> dict[str, Any]:
        """Return the number of stacked frames where it is not one: clips show that many."""
        return {} if self.frames is None else {"frames": self.frames}
