"""The part of a recipe's `env` that all domains share: plain settings, quick to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from pydantic import PositiveFloat

from spirl_cli.settings import ObservationPart, Section, image_shape_of, numbers_of

ImageShape: TypeAlias = tuple[int, int, int]  # rows, columns and channels


@dataclass(frozen=True)
class PlannerKey:
    """The keys by which a recipe asks for demonstrations that the domain makes itself.

    Attributes:
        source: the value of `extract.source`, either `planner` or `scripted`.
        key: the key under `extract` that holds the settings.
        settings: the class of the settings.
        stands_in: whether such demonstrations may replace a dataset that cannot be downloaded.
    """

    source: str
    key: str
    settings: type[Section]
    stands_in: bool = False


class EnvSection(Section):
    """Base of every domain's section; a domain adds its own keys.

    Attributes:
        kind: name of the domain.
        episode_length: steps after which an episode is truncated.
        observation: which parts of the environment's observation are used.
        step_seconds: limit of one step, after which an environment counts as hanging; None: no limit. It
            decides no result, so it is no part of any fingerprint.
    """

    planner: ClassVar[PlannerKey | None] = None
    needs_opengl: ClassVar[bool] = True  # to render videos
    # whether actions, states and rewards are of the order of one, so that nothing needs to be scaled
    known_units: ClassVar[bool] = False
    draws_images: ClassVar[bool] = False  # from states, so that clips need not store them
    file_keys: ClassVar[tuple[str, ...]] = ()  # keys that may name a file beside the recipe

    # limit of one step, after which an environment counts as hanging; null: none. It decides no result. Unit: seconds
    step_seconds: PositiveFloat | None = None

    if TYPE_CHECKING:  # declared by each domain, so that every section keeps its own order of keys
        kind: str
        episode_length: int
        observation: tuple[ObservationPart, ...]

    @property
    def stacked_frames(self) -> int:
        """How many successive images are stacked along the channels; 1 where the domain does it itself."""
        return 1

    @property
    def image_shape(self) -> ImageShape | None:
        """Shape of the image that ends the selected observation, or None without one; stacked frames are channels."""
        shape = image_shape_of(self.observation)
        return None if shape is None else (*shape[:2], shape[2] * self.stacked_frames)

    @property
    def state_parts(self) -> tuple[ObservationPart, ...]:
        """The selection of the observation without images."""
        return numbers_of(self.observation)

    @property
    def stored_parts(self) -> tuple[ObservationPart, ...]:
        """The selection that clips store: without an image that is drawn from the state."""
        return self.observation

    def clip_values(self) -> dict[str, Any]:
        """Return the values that decide the images of clips; part of the clips' fingerprint."""
        return {}

    @property
    def foreign_modules(self) -> tuple[str, ...]:
        """Names of modules that making the environment imports because this section names them."""
        return ()

    def with_files(self, folder: Path) -> Self:
        """Return the section with names of files replaced by the files' content.

        Args:
            folder: the recipe's folder; relative names are looked up there too.

        Raises:
            UsageError: a file cannot be read.
        """
        return self

    @property
    def folder(self) -> Path | None:
        """Return the folder from which files that the section still names are looked up; None where it names none."""
        return None

    def mismatch(self, settings: Section | None) -> str | None:
        """Return a message if the planner's demonstrations have a state of another size, else None.

        Args:
            settings: the planner's settings in the recipe.
        """
        return None
