"""What spirl knows of the kitchen."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from spirl_cli.domains.domain import (
    Domain,
    GeneratedEpisode,
    Generator,
    Metric,
    Published,
    Setting,
    SharedDataset,
    Wanted,
)
from spirl_cli.domains.kitchen.published import CURVES, NOTE, TASKS
from spirl_cli.domains.kitchen.section import KitchenExpert, KitchenSection
from spirl_cli.domains.section import EnvSection

if TYPE_CHECKING:
    import gymnasium as gym

DATASET = "spirl/kitchen-scripted"
EXPERT_VERSION = 1  # to be raised when equal settings give different demonstrations than before
EPISODES = 600  # in the default set
ACTIONS = 9
CHUNK = 10  # episodes per file; half a minute of work


class KitchenDomain(Domain):
    """FrankaKitchen with chosen subtasks, exact reward semantics and a scripted expert."""

    section = KitchenSection

    def metrics(self, section: EnvSection) -> tuple[Metric, ...]:
        """Return the number of rewarded subtasks."""
        return (Metric("subtasks", "subtasks finished per episode", len(_typed(section).tasks)),)

    def make(self, section: EnvSection, render_mode: str | None) -> gym.Env[Any, Any]:
        """Make FrankaKitchen with the recipe's subtasks."""
        from spirl_cli.domains.kitchen.env import KitchenEnv

        return KitchenEnv(_typed(section), render_mode)

    def demonstrations(self, wanted: Wanted) -> Generator:
        """Return the scripted expert; its demonstrations are kept as a Minari dataset.

        The settings hold the set's own seed, so that runs with different seeds share the set.
        """
        settings = wanted.settings or KitchenExpert()
        assert isinstance(settings, KitchenExpert), "checked with the recipe"
        episodes = wanted.episodes or EPISODES
        bound = np.ones(ACTIONS, np.float32)
        return Generator(
            name="kitchen",
            make=functools.partial(_episode, settings),
            episodes=episodes,
            low=-bound,
            high=bound,
            decides={"version": EXPERT_VERSION, "settings": settings.model_dump(mode="json")},
            chunk=CHUNK,
            may_fail=True,
            shared=SharedDataset(
                name=DATASET,
                usual=(settings, episodes) == (KitchenExpert(), EPISODES),
                algorithm="scripted expert",
                description="Demonstrations of the scripted expert of spirl in FrankaKitchen",
                spaces=functools.partial(_spaces, settings),
                episode=functools.partial(_minari_episode, settings),
            ),
        )

    def setting(self, section: EnvSection) -> Setting:
        """Return the order of the subtasks and the noise of the robot's observed joints."""
        kitchen = _typed(section)
        order = "in order" if kitchen.order == "in-order" else "in any order"
        words = f"subtasks {order}, robot noise {kitchen.noise:g}"
        return Setting("kitchen", order=kitchen.order, noise=kitchen.noise, words=words)

    def published(self, section: EnvSection) -> Published:
        """Return the curves for the paper's four subtasks."""
        return Published(CURVES, NOTE) if set(_typed(section).tasks) == set(TASKS) else Published()


def _typed(section: EnvSection) -> KitchenSection:
    assert isinstance(section, KitchenSection)
    return section


def _episode(settings: KitchenExpert, number: int) -> GeneratedEpisode:
    from spirl_cli.domains.kitchen.expert.dataset import play_numbered  # imports the simulator

    return play_numbered(settings, number)


def _spaces(settings: KitchenExpert) -> tuple[gym.Space[Any], gym.Space[Any]]:
    from spirl_cli.domains.kitchen.expert.dataset import spaces

    return spaces(settings)


def _minari_episode(settings: KitchenExpert, states: np.ndarray, actions: np.ndarray) -> dict[str, Any]:
    from spirl_cli.domains.kitchen.expert.dataset import minari_episode

    return minari_episode(settings, states, actions)
