"""The nine questions that spirl asks a domain, and the plain values of the answers.

A domain outside spirl subclasses `Domain` and registers the class in the entry-point group `spirl.domains` under the
name of its `env.kind`. Only `section`, `metrics` and `make` must be answered.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.section import EnvSection
from spirl_cli.settings import ObservationPart, Section

if TYPE_CHECKING:
    import gymnasium as gym

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Metric:
    """A number per episode by which policies are judged.

    Attributes:
        name: key of `info["metrics"]`, or `return`.
        label: text at the axis of a figure.
        highest: largest possible value; None if unknown.
    """

    name: str
    label: str
    highest: float | None = None


RETURN = Metric("return", "return")


@dataclass(frozen=True)
class Setting:
    """The task of a row of results; only rows of equal tasks are compared.

    Attributes:
        env: name of the environment in tables.
        order, noise, reward, layout: columns of a row; None if the domain has no such setting.
        words: the task in words, for the note under a figure; may be empty.
        open_loop_apart: whether open-loop skills get a method name of their own (`spirl-open-loop`); if not, open-loop
            skills are the paper's SPiRL in this domain.
        success: ever | last: which steps of an episode count for the metric `success`; None without that metric.
    """

    env: str
    order: str | None = None
    noise: float | None = None
    reward: str | None = None
    layout: str | None = None
    words: str = ""
    open_loop_apart: bool = True
    success: str | None = None


@dataclass(frozen=True)
class PublishedCurve:
    """Points (environment steps, metric) of a learning curve that others published.

    Attributes:
        label: name of the method.
        points: values read off the published figure.
        uncounted_steps: warm-up steps that the published x-axis leaves out.
    """

    label: str
    points: tuple[tuple[float, float], ...]
    uncounted_steps: int = 0

    def shifted(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return x, with the warm-up added, and y."""
        steps, values = zip(*self.points, strict=True)
        return tuple(step + self.uncounted_steps for step in steps), values


# The authors of SPiRL leave their warm-up of 5,000 skills of 10 steps off the x-axis.
SPIRL_WARMUP_STEPS = 50_000


@dataclass(frozen=True)
class Published:
    """Published curves for exactly this task, and a note on how they differ from ours."""

    curves: tuple[PublishedCurve, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Scales:
    """Typical means and spreads of the numbers of a state, float32 `(D,)` each."""

    mean: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Replayed:
    """Replayed episodes of one policy.

    Attributes:
        title: name of the policy in figures.
        episodes: values noted at every step, one array `(T+1, n)` per episode.
    """

    title: str
    episodes: Sequence[np.ndarray]


# (number of episodes, values to note of an observation) → the evaluated policy first, then the baselines
Replay = Callable[[int, Callable[[np.ndarray], np.ndarray]], Iterable[Replayed]]


@dataclass(frozen=True)
class Figure:
    """A domain's own picture: the file's name, and a function that writes the file."""

    name: str
    draw: Callable[[Path], None]


@dataclass(frozen=True)
class GeneratedEpisode:
    """One episode of T steps that a generator has made.

    Attributes:
        observations: float32 `(T+1, D)`, the states.
        actions: float32 `(T, A)`.
        scene: bool array with what images show besides the state, such as a layout; None if images need none.
        attempts: number of attempts up to this one, the first that was good enough.
    """

    observations: np.ndarray
    actions: np.ndarray
    scene: np.ndarray | None = None
    attempts: int = 1


@dataclass(frozen=True)
class SharedDataset:
    """Generated demonstrations that are kept as a Minari dataset, which other tools read too.

    Attributes:
        name: Minari id without its version.
        usual: whether the settings are the defaults; otherwise the name ends with a part of the checksum.
        algorithm, description: for the dataset's metadata.
        spaces: returns the spaces of observations and actions.
        episode: converts states and actions of a generated episode into the fields of Minari's episode buffer.
    """

    name: str
    usual: bool
    algorithm: str
    description: str
    spaces: Callable[[], tuple[gym.Space[Any], gym.Space[Any]]]
    episode: Callable[[np.ndarray, np.ndarray], Mapping[str, Any]]


@dataclass(frozen=True)
class Generator:
    """A recipe for a set of episodes; each follows from its number alone.

    Attributes:
        name: name of the set in messages.
        make: returns the episode of a number; it must be picklable, since it is sent to other processes.
        episodes: number of episodes in the set.
        low, high: float32 `(A,)`, bounds of the actions.
        decides: all other inputs of the episodes, a version included, as JSON values.
        chunk: episodes per file; an interruption loses fewer than this.
        may_fail: whether attempts can fail, so that messages tell their rate of success.
        shared: how the set is kept as a dataset for all runs; None if it is made for one run only.
    """

    name: str
    make: Callable[[int], GeneratedEpisode]
    episodes: int
    low: np.ndarray
    high: np.ndarray
    decides: Mapping[str, Any] = field(default_factory=dict)
    chunk: int = 100
    may_fail: bool = False
    shared: SharedDataset | None = None


@dataclass(frozen=True)
class Wanted:
    """The demonstrations that a recipe asks a domain for.

    Attributes:
        settings: settings of the planner; None for its defaults.
        episodes: number of episodes; None for the domain's default.
        seed: seed of the set.
        observation: selected parts of the state.
    """

    settings: Section | None
    episodes: int | None
    seed: int
    observation: tuple[ObservationPart, ...]


def planned(
    name: str,
    episode: Callable[[Any, int, int], GeneratedEpisode],
    wanted: Wanted,
    *,
    version: int,
    actions: int,
    may_fail: bool = False,
) -> Generator:
    """Return a planner as the generator of a set that one run makes for itself.

    Args:
        name: what messages call the set.
        episode: makes an episode from the planner's settings, the seed of the set and the episode's number.
        wanted: what the recipe asks for, settings and number of episodes included.
        version: raised when the same settings would give other demonstrations.
        actions: A, size of an action, each in [-1, 1].
        may_fail: whether attempts fail, so that their rate of success is worth telling.
    """
    settings, episodes = wanted.settings, wanted.episodes
    assert settings is not None and episodes is not None, "checked with the recipe"
    bound = np.ones(actions, np.float32)
    decides = {"version": version, "planner": settings.model_dump(mode="json"), "seed": wanted.seed}
    make = functools.partial(episode, settings, wanted.seed)
    return Generator(name, make, episodes, -bound, bound, decides, may_fail=may_fail)


class Domain(ABC):
    """Everything that spirl knows of one kind of environment."""

    section: ClassVar[type[EnvSection]]  # class of the recipe's `env`; its module must not import a simulator or torch

    @abstractmethod
    def metrics(self, section: EnvSection) -> tuple[Metric, ...]:
        """Return the metrics that get a row of results; the first one is drawn."""

    @abstractmethod
    def make(self, section: EnvSection, render_mode: str | None) -> gym.Env[Any, Any]:
        """Make the environment with its own, unselected observations.

        `info["metrics"]` holds floats under constant keys, which include all of `metrics` but `return`. Episodes end
        after `section.episode_length` steps (truncated) or before (terminated), never both.

        Raises:
            UsageError: the environment cannot be made, or does not fit the recipe.
        """

    def demonstrations(self, wanted: Wanted) -> Generator | None:
        """Return a generator of demonstrations; None if the domain has none.

        Raises:
            UsageError: the demonstrations cannot have the observation that the recipe selects.
        """
        return None

    def draw(self, scenes: npt.NDArray[np.bool_] | None, states: np.ndarray) -> Images | None:
        """Draw images from states, uint8 `(B, rows, columns, channels)`; None if the domain draws none.

        Args:
            scenes: bool `(B, ...)`, the `GeneratedEpisode.scene` of the episode of each state; None without scenes.
            states: selected states `(B, D)`.
        """
        return None

    @abstractmethod
    def setting(self, section: EnvSection) -> Setting:
        """Return the task as rows of results describe it."""

    def published(self, section: EnvSection) -> Published:
        """Return published curves for this task; empty if none is comparable."""
        return Published()

    def scales(self, section: EnvSection, known: int) -> Scales | None:
        """Return typical values of the selected state if it is longer than the demonstrations' state, else None.

        Args:
            section: the recipe's environment.
            known: size of the demonstrations' state.
        """
        return None

    def figures(self, section: EnvSection, replay: Replay) -> Iterator[Figure]:
        """Yield the domain's own pictures of an evaluation."""
        return iter(())
