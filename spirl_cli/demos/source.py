"""Demonstrations of a recipe, wherever they come from: checked episodes, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spirl_cli.blocks.scene import state_size
from spirl_cli.demos.checksum import DatasetIdentity, generated_identity, identity_of
from spirl_cli.demos.download import download
from spirl_cli.demos.episode import ActionBounds, Episode, check_episode
from spirl_cli.demos.hdf5_source import SUFFIXES, open_hdf5
from spirl_cli.demos.minari_source import MinariSource, is_local
from spirl_cli.demos.observation import select
from spirl_cli.demos.raw import EpisodeSource, RawEpisode, RawSource
from spirl_cli.errors import DatasetError, SpirlError, UsageError
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.recipe.sections.base import WHOLE_OBSERVATION, ObservationPart
from spirl_cli.recipe.sections.extract import BlocksPlanner, ExtractSection, KitchenExpert

if TYPE_CHECKING:
    from spirl_cli.demos.generation import Generator

__all__ = [
    "DatasetIdentity",
    "Demonstrations",
    "generate_demonstrations",
    "identify",
    "may_be_scripted",
    "open_demonstrations",
    "script_demonstrations",
    "scripted_identity",
]

MAZE_PLANNER_VERSION = 1  # raised when the same parameters would give other demonstrations
BLOCKS_PLANNER_VERSION = 6  # likewise
SCRIPTED_VERSION = 1  # likewise
SCRIPTED_EPISODES = 600
SCRIPTED_DATASET = "spirl/kitchen-scripted"


class Demonstrations:
    """The episodes that a recipe asks for; iterating streams them, memory holds one.

    Attributes:
        identity: which dataset, and how large all of it is.
        bounds: finite bounds of the actions.
        success_rate: share of the demonstrations made that were good enough to be kept; None where all are kept.
    """

    def __init__(
        self,
        section: ExtractSection,
        source: EpisodeSource,
        identity: DatasetIdentity,
        success_rate: float | None = None,
    ) -> None:
        self.identity, self.success_rate = identity, success_rate
        if self.identity.episodes == 0:
            raise DatasetError(f"{self.identity.reference} has no episodes")
        self.bounds = _bounds(section, source, self.identity.reference)
        self._source = source
        self._parts = section.observation or WHOLE_OBSERVATION
        self._limit = section.episodes or self.identity.episodes

    def __len__(self) -> int:
        """Return the number of episodes that iterating yields."""
        return min(self._limit, self.identity.episodes)

    def __iter__(self) -> Iterator[Episode]:
        """Yield the episodes in the order of the dataset.

        Raises:
            DatasetError: an episode is refused (its number is in the message) or unreadable.
        """
        episodes = self._source.episodes()
        for number in range(len(self)):
            try:
                yield self._checked(next(episodes))
            except SpirlError as error:
                raise DatasetError(f"{self.identity.reference}: {error.message}", error.hint) from error
            except (OSError, KeyError, ValueError, RuntimeError, StopIteration) as error:
                raise DatasetError(
                    f"{self.identity.reference}: episode {number} cannot be read: {error or 'it is missing'}",
                    "the files look damaged: get the dataset again",
                ) from error

    def _checked(self, raw: RawEpisode) -> Episode:
        try:
            observations = select(raw.observations, self._parts, leading=1)  # (T+1, D)
        except UsageError as error:
            raise DatasetError(f"episode {raw.number}: {error.message}", error.hint) from error
        return replace(check_episode(raw.number, observations, raw.actions, self.bounds), scene=raw.scene)


def open_demonstrations(section: ExtractSection, announce: Callable[[str], None] = lambda text: None) -> Demonstrations:
    """Open the dataset of a recipe; a Minari dataset that is not local is downloaded.

    Args:
        section: the recipe's `extract`, its observation resolved.
        announce: told before a download starts.

    Raises:
        DatasetError: the dataset is neither here nor to be had, or empty, or its actions are
            not continuous or without finite bounds.
    """
    source = _local(section)
    if source is None:
        download(_name(section), announce)
        source = MinariSource(_name(section))
    return Demonstrations(section, source, identity_of(source))


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
    identity = _planner_identity(section)
    generator = _generator(section, identity)
    generate(generator, folder, reporter)
    source = GeneratedSource(generator, folder)
    rate = None if section.blocks_planner is None else source.success_rate  # in the maze every one arrives
    return Demonstrations(section, source, identity, rate)


def _generator(section: ExtractSection, identity: DatasetIdentity) -> Generator:
    name, episodes, seed = identity.reference, identity.episodes, section.seed or 0
    if section.blocks_planner is not None:
        from spirl_cli.demos.blocks_planner import blocks_generator  # imports the simulator

        return blocks_generator(name, section.blocks_planner, episodes, seed)
    from spirl_cli.demos.maze_planner import maze_generator  # imports the simulator

    assert section.planner is not None, "checked with the recipe"
    return maze_generator(name, section.planner, episodes, seed)


def script_demonstrations(section: ExtractSection, folder: Path, reporter: Reporter) -> Demonstrations:
    """Make demonstrations of the kitchen with the scripted expert, or find those made earlier.

    Args:
        section: the recipe's `extract`, its observation resolved.
        folder: keeps what is made until all is.
        reporter: shows progress.

    Raises:
        Interrupted: SIGINT or SIGTERM arrived; the folder holds what was done.
    """
    from spirl_cli.demos.kitchen_expert.dataset import scripted_dataset  # imports the simulator

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


def may_be_scripted(section: ExtractSection) -> bool:
    """Say whether scripted demonstrations may stand in for a dataset that cannot be had."""
    return section.source == "auto" and not _is_hdf5(section)


def identify(section: ExtractSection) -> DatasetIdentity | None:
    """Return the identity of a recipe's dataset, or None when it is not on this machine.

    Never uses the network. The files are read once; after that the checksum is remembered. Demonstrations
    that are generated have an identity before they exist.

    Raises:
        DatasetError: the local dataset is damaged.
    """
    if section.source == "planner":
        return _planner_identity(section)
    if section.source == "scripted":
        return scripted_identity(section)
    if _is_hdf5(section) and not Path(_name(section)).expanduser().exists():
        return None
    source = _local(section)
    return None if source is None else identity_of(source)


def _local(section: ExtractSection) -> RawSource | None:
    """Return the dataset if it is on this machine."""
    name = _name(section)
    if _is_hdf5(section):
        return open_hdf5(name)
    return MinariSource(name) if is_local(name) else None


def _is_hdf5(section: ExtractSection) -> bool:
    """Decide what `source: auto` means: a path if it exists or can be nothing else."""
    if section.source != "auto":
        return section.source == "hdf5"
    name = _name(section)
    return Path(name).expanduser().exists() or name.startswith((".", "/", "~")) or name.endswith(SUFFIXES)


def _name(section: ExtractSection) -> str:
    assert section.dataset is not None, "a recipe without a dataset has a planner"
    return section.dataset


def _planner_identity(section: ExtractSection) -> DatasetIdentity:
    planner = section.planner or section.blocks_planner
    assert planner is not None and section.episodes is not None, "checked with the recipe"
    version = BLOCKS_PLANNER_VERSION if isinstance(planner, BlocksPlanner) else MAZE_PLANNER_VERSION
    decides = {"version": version, "planner": planner.model_dump(mode="json"), "seed": section.seed or 0}
    if isinstance(planner, BlocksPlanner):
        return generated_identity("planner", f"blocks-{planner.blocks}", section.episodes, decides)
    return generated_identity("planner", f"maze-{planner.size}x{planner.size}", section.episodes, decides)


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


def _bounds(section: ExtractSection, source: EpisodeSource, reference: str) -> ActionBounds:
    """Return the recipe's bounds, else the dataset's.

    The dataset is asked in any case: it refuses what is not continuous.
    """
    known, size = source.action_bounds(), source.action_dim()
    if section.action_bounds is not None:
        low, high = (np.full(size, value, np.float32) for value in section.action_bounds)
    elif known is not None:
        low, high = known
    else:
        raise DatasetError(f"{reference} does not say the bounds of its actions", _BOUNDS_HINT)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise DatasetError(f"{reference}: the action bounds {_short(low)} to {_short(high)} are no range", _BOUNDS_HINT)
    return ActionBounds(low, high)


_BOUNDS_HINT = "give them with --set 'extract.action_bounds=[-1, 1]' or in the recipe"


def _short(values: np.ndarray) -> str:
    return np.array2string(values, precision=4, threshold=8)
