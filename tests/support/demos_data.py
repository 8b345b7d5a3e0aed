"""The section of a recipe that reads demonstrations, for tests of their formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.settings import WHOLE_OBSERVATION


def section(dataset: str | Path, **more: Any) -> ExtractSection:
    """Return a section that selects whole observations, unless changed."""
    return ExtractSection(dataset=str(dataset), **{"observation": WHOLE_OBSERVATION, "seed": 0, **more})
