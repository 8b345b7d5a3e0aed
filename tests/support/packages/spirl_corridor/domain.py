"""What spirl asks about the corridor."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spirl_cli.domains.domain import (
    Domain,
    Figure,
    Generator,
    Images,
    Metric,
    Published,
    PublishedCurve,
    Replay,
    Replayed,
    Setting,
    Wanted,
    planned,
)
from spirl_cli.domains.section import EnvSection
from spirl_corridor.section import CorridorPlanner, CorridorSection

if TYPE_CHECKING:
    import gymnasium as gym


class CorridorDomain(Domain):
    """A cart in a corridor."""

    section = CorridorSection

    def metrics(self, section: EnvSection) -> tuple[Metric, ...]:
        return (Metric("way", "way to the right", 1.0),)

    def make(self, section: EnvSection, render_mode: str | None) -> gym.Env[Any, Any]:
        from spirl_corridor.env import CorridorEnv

        assert isinstance(section, CorridorSection)
        return CorridorEnv(section, render_mode)

    def demonstrations(self, wanted: Wanted) -> Generator:
        from spirl_corridor.env import push

        assert isinstance(wanted.settings, CorridorPlanner)
        return planned("corridor", push, wanted, version=1, actions=1, may_fail=True)

    def draw(self, scenes: np.ndarray | None, states: np.ndarray) -> Images:
        from spirl_corridor.env import draw

        return draw(states)

    def setting(self, section: EnvSection) -> Setting:
        assert isinstance(section, CorridorSection)
        return Setting("corridor", layout=f"{section.length:g} m", words=f"corridor of {section.length:g} m")

    def published(self, section: EnvSection) -> Published:
        return Published((PublishedCurve("somebody", ((100.0, 0.2), (900.0, 0.7))),), "Dashed: somebody.")

    def figures(self, section: EnvSection, replay: Replay) -> Iterator[Figure]:
        panels = list(replay(3, lambda observation: observation[:1].copy()))
        yield Figure("places.png", functools.partial(_draw_places, panels=panels))


def _draw_places(file: Path, panels: list[Replayed]) -> None:
    from matplotlib.figure import Figure as Sheet

    sheet = Sheet()
    for axes, panel in zip(np.ravel(sheet.subplots(1, len(panels))), panels, strict=True):
        axes.set_title(panel.title)
        for places in panel.episodes:
            axes.plot(places[:, 0])
    sheet.savefig(file)
