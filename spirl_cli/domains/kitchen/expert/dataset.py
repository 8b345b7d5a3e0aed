"""Demonstrations of the scripted expert: made in numbers, and kept as a Minari dataset that other tools read too."""

from __future__ import annotations

import functools
import json
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spirl_cli.demos.chunks import GeneratedEpisode
from spirl_cli.demos.formats.minari import MinariSource, datasets_folder, is_local
from spirl_cli.demos.generation import GeneratedSource, Generator, generate
from spirl_cli.demos.identity import DatasetIdentity
from spirl_cli.domains.kitchen.expert.demonstrator import Demonstrator
from spirl_cli.domains.kitchen.simulation import GOAL_RADIUS
from spirl_cli.domains.sections import KITCHEN_TASKS
from spirl_cli.errors import DatasetError, SpirlError
from spirl_cli.files import make_folder, publish_folder
from spirl_cli.monitor.children import variables
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.recipe.sections.extract import KitchenExpert

ACTIONS, OBSERVATION = 9, 59
ATTEMPTS = 25  # for one episode
CHUNK = 10  # episodes; half a minute of work

Goals = dict[str, tuple[np.ndarray, np.ndarray]]  # of each subtask: indices of its joints, and where they should be


def kitchen_generator(name: str, settings: KitchenExpert, episodes: int) -> Generator:
    """Return the generator of a set of demonstrations."""
    bound = np.ones(ACTIONS, np.float32)
    return Generator(name, functools.partial(play_numbered, settings), episodes, -bound, bound, CHUNK)


def play_numbered(settings: KitchenExpert, number: int) -> GeneratedEpisode:
    """Return the episode of a number, 0 and up, of the set that the settings decide; failures are made again.

    Returns:
        states (T+1, 89): the observation and the 30 true joint positions; actions (T, 9).

    Raises:
        SpirlError: no attempt succeeded.
    """
    demonstrator = _demonstrator(settings)
    for attempt in range(ATTEMPTS):
        one = demonstrator.play(np.random.SeedSequence(settings.seed, spawn_key=(number, attempt)))
        if one.success:
            states = np.concatenate([one.observations, one.states], axis=1).astype(np.float32)
            return GeneratedEpisode(states, one.actions, attempts=attempt + 1)
    raise SpirlError(
        f"the scripted demonstrator failed {ATTEMPTS} times in a row", "make extract.scripted easier: less variation"
    )


def scripted_dataset(
    settings: KitchenExpert, identity: DatasetIdentity, folder: Path, reporter: Reporter
) -> tuple[MinariSource, float | None]:
    """Return the Minari dataset of demonstrations, which is made if it is not on this machine.

    Args:
        settings: of the recipe.
        identity: what these demonstrations are, and their Minari id; kept with the dataset.
        folder: keeps what is done until all is.
        reporter: shows progress.

    Returns:
        The dataset, and the share of the demonstrations made that succeeded; None if it was there already.

    Raises:
        DatasetError: another dataset has this name.
        Interrupted: SIGINT or SIGTERM arrived; the folder holds what was done.
    """
    dataset_id = identity.name
    if is_local(dataset_id):
        _check_same(dataset_id, identity)
        return MinariSource(dataset_id), None
    generator = kitchen_generator(identity.reference, settings, identity.episodes)
    generate(generator, folder, reporter)
    source = GeneratedSource(generator, folder)
    _store(dataset_id, source, settings, identity)
    return MinariSource(dataset_id), source.success_rate


@functools.lru_cache(maxsize=1)
def _demonstrator(settings: KitchenExpert) -> Demonstrator:
    """One kitchen per process."""
    return Demonstrator(settings)


def _check_same(dataset_id: str, identity: DatasetIdentity) -> None:
    path = datasets_folder() / dataset_id / "data" / "metadata.json"
    try:
        description = str(json.loads(path.read_text(encoding="utf-8")).get("description"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}", f"delete {path.parent.parent}") from error
    if identity.sha256 not in description:
        raise DatasetError(
            f"the Minari dataset '{dataset_id}' was made by another version of the scripted demonstrator",
            f"delete {path.parent.parent}, or read it with --set extract.source=minari "
            f"--set extract.dataset={dataset_id}",
        )


def _store(dataset_id: str, source: GeneratedSource, settings: KitchenExpert, identity: DatasetIdentity) -> None:
    """Write the dataset beside its place and rename it."""
    from minari import create_dataset_from_buffers

    kitchen = _demonstrator(settings).kitchen
    root = datasets_folder()
    make_folder(root)
    with tempfile.TemporaryDirectory(prefix=".scripted-", dir=root) as folder:
        with variables({"MINARI_DATASETS_PATH": folder}), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about fields that describe an author
            create_dataset_from_buffers(
                dataset_id,
                list(_buffers(source, kitchen.goals)),
                observation_space=kitchen.env.observation_space,
                action_space=kitchen.env.action_space,
                algorithm_name="scripted expert",
                description=f"Demonstrations of the scripted expert of spirl in FrankaKitchen, {identity.sha256}.",
            )
        target = root / dataset_id
        make_folder(target.parent)
        publish_folder(Path(folder) / dataset_id, target)


def _buffers(source: GeneratedSource, goals: Goals) -> Iterator[Any]:
    """Yield the episodes as Minari takes them, with FrankaKitchen's dictionary of observations."""
    from minari.data_collector import EpisodeBuffer

    for episode in source.episodes():
        states = episode.observations["state"].astype(np.float64)
        observations, positions = np.split(states, [OBSERVATION], axis=1)
        steps = len(episode.actions)
        yield EpisodeBuffer(
            id=episode.number,
            observations={
                "observation": observations,
                "achieved_goal": {task: positions[:, indices] for task, (indices, _) in goals.items()},
                "desired_goal": {task: np.tile(goal, (steps + 1, 1)) for task, (_, goal) in goals.items()},
            },
            actions=episode.actions.astype(np.float64),
            rewards=_rewards(positions, goals),
            terminations=np.zeros(steps, bool),
            truncations=np.arange(steps) == steps - 1,
        )


def _rewards(positions: np.ndarray, goals: Goals) -> np.ndarray:
    """Return (T,): 1 for every subtask that a step reaches for the first time; positions are (T+1, 30)."""
    rewards = np.zeros(len(positions) - 1)
    for task in KITCHEN_TASKS:
        indices, goal = goals[task]
        reached = np.linalg.norm(positions[1:, indices] - goal, axis=1) < GOAL_RADIUS
        if reached.any():
            rewards[int(reached.argmax())] += 1.0
    return rewards
