"""The settings of any Gymnasium environment in a recipe: `env`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, PrivateAttr

from spirl_cli.domains.section import EnvSection
from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart


class GymnasiumSection(EnvSection):
    """Any Gymnasium environment with a continuous (Box) action space."""

    kind: Literal["gymnasium"]
    id: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    module: str | None = None  # imported first, so that it can register the id; or its file, such as ./mine.py
    episode_length: PositiveInt
    observation: tuple[ObservationPart, ...] = WHOLE_OBSERVATION
    success_key: str | None = None  # key of `info`, or path to it, that is true once the episode succeeded
    reward: Literal["environment", "success"] = "environment"
    terminate_on_success: bool = False
    order: None = None
    noise: NonNegativeFloat | None = None
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
