"""Reading a dataset as it is: every episode once, memory holds one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from spirl_cli.demos.dataset import Contents, Dataset, StoredEpisode
from spirl_cli.demos.episode import BOUND_TOLERANCE, ActionBounds, action_bounds
from spirl_cli.demos.formats.checks import DAMAGE, DAMAGED_HINT, damage_refused
from spirl_cli.demos.formats.hdf5 import RolloutFolder
from spirl_cli.demos.source import StoredSource
from spirl_cli.errors import DatasetError, did_you_mean
from spirl_cli.inspection.columns import SAMPLED_ROWS, Column, is_image
from spirl_cli.inspection.jumps import find_jumps
from spirl_cli.inspection.recorded import RecordedEnv, read_outcomes, recorded_env
from spirl_cli.recipe.sections.extract import ExtractSection

DRAWN_EPISODES, _DRAWN_ROWS, _DRAWN_NUMBERS = 4, 1_000, 256  # that are kept for pictures

_FORMATS = {
    "minari": "Minari dataset",
    "hdf5": "D4RL HDF5 file",
    "robomimic": "robomimic HDF5 file (as LIBERO, robocasa and MimicGen write them)",
    "ogbench": "OGBench npz file",
    "lerobot": "LeRobotDataset folder",
    "zarr": "zarr folder of diffusion policy's layout",
}


@dataclass
class Survey:
    """What was found in a dataset.

    Attributes:
        name: id or path.
        format: in words.
        files: number of files.
        bytes: size of all of them.
        contents: episodes and steps in all, as the dataset counts them; None if it cannot.
        recorded: the environment it says it was recorded in.
        bounds: of its actions, or None if the dataset does not say.
        lengths: steps of each episode that was read.
        columns: observations by key; None is the key of a plain array.
        actions: statistics of the actions; None before any was read.
        beyond: steps with an action beyond its bounds by more than rounding, `(A,)` for each number.
        beyond_steps: steps with any such action.
        unequal: episodes that have not one state more than actions.
        not_finite: episodes with NaN or infinity among their numbers.
        jumps: (episode, step) where the state jumps as if it had been reset.
        drawn: of the first episodes, some steps `(n,)` and the first numbers of their joined states `(n, k)`.
        outcomes: statistics of rewards and success by name.
        notes: what the reader mended or found.
        problems: what was read and is not right, each once.
        failure: what ended the reading, or None.
        parts: names of several datasets that were put together, none for one.
    """

    name: str
    format: str
    files: int
    bytes: int
    contents: Contents | None = None
    recorded: RecordedEnv | None = None
    bounds: ActionBounds | None = None
    lengths: list[int] = field(default_factory=list)
    columns: dict[str | None, Column] = field(default_factory=dict)
    actions: Column | None = None
    beyond: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    beyond_steps: int = 0
    unequal: list[int] = field(default_factory=list)
    not_finite: list[int] = field(default_factory=list)
    jumps: list[tuple[int, int]] = field(default_factory=list)
    drawn: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    outcomes: dict[str, Column] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: dict[str, None] = field(default_factory=dict)
    failure: DatasetError | None = None
    parts: tuple[str, ...] = ()


def open_named(name: str) -> Dataset:
    """Open a dataset of this machine by its Minari id or its path; nothing is downloaded.

    Raises:
        DatasetError: there is none, or it is damaged.
    """
    from spirl_cli.demos.formats.minari import local_datasets

    dataset = StoredSource(ExtractSection(dataset=name), "it was named").local()
    if dataset is None:
        known = local_datasets()
        raise DatasetError(
            f"{name}: there is no such path, and no Minari dataset of this id on this machine."
            f"{did_you_mean(name, known)}",
            f"a Minari dataset is fetched with 'minari download {name}'; here are: {', '.join(known[:8]) or 'none'}",
        )
    return dataset


def survey(dataset: Dataset, limit: int, watch: Callable[[int], None] = lambda read: None) -> Survey:
    """Read a dataset and say what is in it; what cannot be read ends the reading, and is kept as `failure`.

    Args:
        dataset: what to read.
        limit: at most so many episodes are read, from the first.
        watch: is called with the number of episodes read so far.
    """
    files = dataset.files()
    found = Survey(dataset.name, _format(dataset), len(files), sum(path.stat().st_size for path in files))
    try:
        _read(found, dataset, limit, watch)
    except DatasetError as error:
        found.failure = error
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        found.failure = DatasetError(f"{dataset.name} cannot be read: {reason}", DAMAGED_HINT)
    found.notes = list(dataset.notes)
    return found


def _format(dataset: Dataset) -> str:
    if isinstance(dataset, RolloutFolder):
        return "folder of HDF5 rollouts"
    return _FORMATS.get(dataset.kind, dataset.kind)


def _read(found: Survey, dataset: Dataset, limit: int, watch: Callable[[int], None]) -> None:
    found.recorded = recorded_env(dataset)
    found.contents = dataset.contents()
    found.outcomes = read_outcomes(dataset, limit)
    refused = _read_bounds(found, dataset)
    keep = max(SAMPLED_ROWS // max(min(limit, found.contents.episodes), 1), 2)
    episodes = dataset.episodes()
    for read in range(min(limit, found.contents.episodes)):
        episode = next(episodes, None)
        if episode is None:
            raise DatasetError(
                f"{dataset.name}: episode {read} is missing; the dataset says that it has {found.contents.episodes}",
                DAMAGED_HINT,
            )
        _add(found, episode, keep)
        watch(read + 1)
    if refused is not None:
        raise refused


def _read_bounds(found: Survey, dataset: Dataset) -> DatasetError | None:
    """Read the bounds of the actions; return why the dataset refuses its actions, or None."""
    try:
        known, size = dataset.action_bounds(), dataset.action_dim()
    except DatasetError as error:
        return error
    try:
        found.bounds = None if known is None else action_bounds(known[0], known[1], size)
    except DatasetError as error:
        found.problems[f"{error.message}: give bounds with extract.action_bounds"] = None
    return None


def _add(found: Survey, episode: StoredEpisode, keep: int) -> None:
    actions = np.asarray(episode.actions)
    with damage_refused(f"{found.name}: episode {episode.number}"):
        arrays = {key: _array(leaf) for key, leaf in leaves(episode.observations)}
    found.lengths.append(len(actions))
    for key, rows in arrays.items():
        _add_rows(found, found.columns, key, rows, episode.number, keep)
    _add_actions(found, actions, episode.number, keep)
    if any(rows.ndim == 0 or len(rows) != len(actions) + 1 for rows in arrays.values()):
        found.unequal.append(episode.number)
    if not all(_finite(rows) for rows in (*arrays.values(), actions)):
        found.not_finite.append(episode.number)
    numbers = [rows for rows in arrays.values() if _is_numbers(rows) and len(rows) == len(actions) + 1]
    if numbers:
        states = np.concatenate([rows.reshape(len(rows), -1) for rows in numbers], axis=1, dtype=np.float64)
        found.jumps += [(episode.number, step) for step in find_jumps(states)]
        if len(found.drawn) < DRAWN_EPISODES:
            steps = np.unique(np.linspace(0, len(actions), _DRAWN_ROWS).astype(int))
            found.drawn.append((steps, states[steps, :_DRAWN_NUMBERS]))


def leaves(observations: Any, path: str | None = None) -> Iterator[tuple[str | None, Any]]:
    """Yield the path and the array of every leaf of nested observations; None is the path of a plain array."""
    children: Mapping[str, Any] | None = observations if isinstance(observations, Mapping) else None
    if isinstance(observations, tuple):
        children = {str(place): child for place, child in enumerate(observations)}
    if children is None:
        yield path, observations
        return
    for name in children:
        yield from leaves(children[name], name if path is None else f"{path}/{name}")


def _array(leaf: Any) -> np.ndarray:
    """Read an array, or one that lies in an open file."""
    return np.asarray(leaf[()] if isinstance(leaf, h5py.Dataset) else leaf)


def _add_rows(
    found: Survey, columns: dict[str | None, Column], key: str | None, rows: np.ndarray, number: int, keep: int
) -> None:
    if rows.ndim == 0:
        found.problems[f"observation {key or ''} of episode {number} is no array"] = None
        return
    column = columns.setdefault(key, Column(key, rows.dtype, rows.shape[1:]))
    if column.fits(rows):
        column.add(rows, keep)
    else:
        what = "the observation" if key is None else f"observation '{key}'"
        found.problems[
            f"{what} is {rows.dtype} {rows.shape[1:]} in episode {number}, but {column.dtype} {column.shape} before"
        ] = None


def _add_actions(found: Survey, actions: np.ndarray, number: int, keep: int) -> None:
    if actions.ndim != 2:
        found.problems[f"actions of episode {number} have shape {actions.shape}; expected (steps, size)"] = None
        return
    if found.actions is None:
        found.actions = Column("actions", actions.dtype, actions.shape[1:])
        found.beyond = np.zeros(actions.shape[1], int)
    if not found.actions.fits(actions):
        found.problems[f"actions of episode {number} have size {actions.shape[1]}, those before another"] = None
        return
    found.actions.add(actions, keep)
    if found.bounds is not None and len(found.bounds.low) == actions.shape[1]:
        slack = BOUND_TOLERANCE * (found.bounds.high - found.bounds.low)
        outside = (actions < found.bounds.low - slack) | (actions > found.bounds.high + slack)  # (T, A)
        found.beyond += outside.sum(axis=0)
        found.beyond_steps += int(outside.any(axis=1).sum())


def _finite(rows: np.ndarray) -> bool:
    return rows.dtype.kind != "f" or bool(np.isfinite(rows).all())


def _is_numbers(rows: np.ndarray) -> bool:
    """Say whether an array holds numbers and no images."""
    return rows.ndim > 0 and rows.dtype.kind in "biuf" and not is_image(rows.dtype, rows.shape[1:])
