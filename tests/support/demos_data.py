"""Sections that read demonstrations, and the demonstrations as the clips stage finds them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spirl_cli.demos.demonstrations import Demonstrations
from spirl_cli.demos.identity import DatasetIdentity
from spirl_cli.demos.source import find_source
from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.domains.section import EnvSection
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.settings import WHOLE_OBSERVATION

ANY = GymnasiumSection(kind="gymnasium", id="Pendulum-v1", episode_length=60)


def section(dataset: str | Path, **more: Any) -> ExtractSection:
    """Return a section that selects whole observations, unless changed."""
    return ExtractSection(dataset=str(dataset), **{"observation": WHOLE_OBSERVATION, "seed": 0, **more})


class Hearer(SilentReporter):
    """Passes messages on."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        self.message = hear  # type: ignore[method-assign]


def identify(section: ExtractSection, env: EnvSection = ANY) -> DatasetIdentity | None:
    """Return which dataset a section means, or None when it is not on this machine."""
    return find_source(section, env).identity()


def open_demonstrations(
    section: ExtractSection, hear: Callable[[str], None] = lambda text: None, env: EnvSection = ANY
) -> Demonstrations:
    """Open, download or make the demonstrations of a section."""
    return find_source(section, env).open(Path(tempfile.mkdtemp()) / "generated", Hearer(hear))
