"""What the environment's section of a recipe has in common over all domains: plain settings, quick to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from spirl_cli.settings import ObservationPart, Section, image_shape_of, numbers_of

ImageShape: TypeAlias = tuple[int, int, int]  # rows, columns and channels


@dataclass(frozen=True)
class PlannerKey:
    """How a recipe asks for demonstrations that the domain makes itself.

    Attributes:
        source: the word in `extract.source`, `planner` or `scripted`.
        key: the key below `extract` that holds the settings.
        settings: their type.
        stands_in: whether such demonstrations may replace a dataset that cannot be had.
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
    """

    planner: ClassVar[PlannerKey | None] = None
    needs_opengl: ClassVar[bool] = True  # to render videos
    # whether actions, states and rewards are of the order of one, so that nothing needs to be scaled
    known_units: ClassVar[bool] = False
    draws_images: ClassVar[bool] = False  # from states, so that clips need not store them

    if TYPE_CHECKING:  # declared by each domain, so that every section keeps an order of keys of its own
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
        """Return the values that decide what clips show; part of their fingerprint."""
        return {}

    def with_files(self, folder: Path) -> Self:
        """Return the section with the content of files in place of their names.

        Args:
            folder: the recipe's folder, from which relative names are looked up too.

        Raises:
            UsageError: a file cannot be read.
        """
        return self

    def mismatch(self, settings: Section | None) -> str | None:
        """Say how the state differs in size from that of the planner's demonstrations, or return None.

        Args:
            settings: of the planner, as the recipe has them.
        """
        return None
