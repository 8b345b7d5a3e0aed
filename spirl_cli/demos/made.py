"""Demonstrations that are made here, by a planner or a scripted expert: their identity, and how to make them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spirl_cli.demos.demonstrations import Demonstrations
from spirl_cli.demos.identity import DatasetIdentity, generated_identity
from spirl_cli.domains.blocks.geometry import state_size
from spirl_cli.errors import UsageError
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.observation import select
from spirl_cli.recipe.sections.extract import BlocksPlanner, ExtractSection, KitchenExpert
from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart

if TYPE_CHECKING:
    from spirl_cli.demos.generation import Generator

MAZE_PLANNER_VERSION = 1  # raised when the same parameters would give other demonstrations
BLOCKS_PLANNER_VERSION = 6  # likewise
SCRIPTED_VERSION = 1  # likewise
SCRIPTED_EPISODES = 600
SCRIPTED_DATASET = "spirl/kitchen-scripted"


def generate_demonstrations(section: ExtractSection, folder: Path, reporter: Reporter) -> Demonstrations:
    """Generate the demonstrations of a recipe whose source is a planner; see `generation.generate`.

    Args:
        section: the recipe's `extract`, its observation resolved.
        folder: keeps what is generated; what is there already is not made again.
        reporter: shows progress.

    Raises:
        UsageError: the recipe wants of generated demonstrations what they cannot give.
        Interrupted: SIGINT or SIGTERM arrived; the folder holds what was done.
    """
    from spirl_cli.demos.generation import GeneratedSource, generate

    _check_generated(section)
    identity = planned_identity(section)
    generator = _generator(section, identity)
    generate(generator, folder, reporter)
    source = GeneratedSource(generator, folder)
    rate = None if section.blocks_planner is None else source.success_rate  # in the maze every one arrives
    return Demonstrations(section, source, identity, rate)


def planned_identity(section: ExtractSection) -> DatasetIdentity:
    """Return the identity of the planned demonstrations that a recipe asks for; they need not exist yet."""
    planner = section.planner or section.blocks_planner
    assert planner is not None and section.episodes is not None, "checked with the recipe"
    version = BLOCKS_PLANNER_VERSION if isinstance(planner, BlocksPlanner) else MAZE_PLANNER_VERSION
    decides = {"version": version, "planner": planner.model_dump(mode="json"), "seed": section.seed or 0}
    if isinstance(planner, BlocksPlanner):
        return generated_identity("planner", f"blocks-{planner.blocks}", section.episodes, decides)
    return generated_identity("planner", f"maze-{planner.size}x{planner.size}", section.episodes, decides)


def _generator(section: ExtractSection, identity: DatasetIdentity) -> Generator:
    name, episodes, seed = identity.reference, identity.episodes, section.seed or 0
    if section.blocks_planner is not None:
        from spirl_cli.domains.blocks.planner import blocks_generator  # imports the simulator

        return blocks_generator(name, section.blocks_planner, episodes, seed)
    from spirl_cli.domains.maze.planner import maze_generator  # imports the simulator

    assert section.planner is not None, "checked with the recipe"
    return maze_generator(name, section.planner, episodes, seed)


def _check_generated(section: ExtractSection) -> None:
    """Refuse what does not go together with scenes that differ and images that are drawn."""
    if section.short_episodes == "join":
        raise UsageError(
            "extract.short_episodes: demonstrations from a planner cannot be joined, each has a scene of its own",
            "use --set extract.short_episodes=skip",
        )
    parts = section.observation or WHOLE_OBSERVATION
    if section.blocks_planner is not None:
        return _check_whole_state(parts, state_size(section.blocks_planner.blocks))
    chosen = select({"state": np.arange(4.0)}, parts)
    if chosen[:2].tolist() != [0.0, 1.0]:
        raise UsageError(
            "extract.observation must begin with the position, from which images are drawn",
            "for example [{key: state}], or [{key: state, indices: ['0:2']}]",
        )


def _check_whole_state(parts: tuple[ObservationPart, ...], size: int) -> None:
    everything = np.arange(size, dtype=np.float32)
    if not np.array_equal(select({"state": everything}, parts), everything):
        raise UsageError(
            "extract.observation must be the whole state, from which images of blocks are drawn",
            "write [{key: state}], and choose what networks see of it with state_indices",
        )


def script_demonstrations(section: ExtractSection, folder: Path, reporter: Reporter) -> Demonstrations:
    """Make demonstrations of the kitchen with the scripted expert, or find those made earlier.

    Args:
        section: the recipe's `extract`, its observation resolved.
        folder: keeps what is made until all is.
        reporter: shows progress.

    Raises:
        Interrupted: SIGINT or SIGTERM arrived; the folder holds what was done.
    """
    from spirl_cli.domains.kitchen.expert.dataset import scripted_dataset  # imports the simulator

    identity = scripted_identity(section)
    source, rate = scripted_dataset(section.scripted or KitchenExpert(), identity, folder, reporter)
    return Demonstrations(section, source, identity, rate)


def scripted_identity(section: ExtractSection) -> DatasetIdentity:
    """Return the identity of the scripted demonstrations that a recipe asks for; they need not exist yet.

    Its name is their Minari id: ``spirl/kitchen-scripted-v0``, with part of the checksum where they are not the usual.
    """
    settings, episodes = section.scripted or KitchenExpert(), section.episodes or SCRIPTED_EPISODES
    decides = {"version": SCRIPTED_VERSION, "settings": settings.model_dump(mode="json")}
    identity = generated_identity("scripted", f"{SCRIPTED_DATASET}-v0", episodes, decides)
    if (settings, episodes) == (KitchenExpert(), SCRIPTED_EPISODES):
        return identity
    return replace(identity, name=f"{SCRIPTED_DATASET}-{identity.sha256[:8]}-v0")
