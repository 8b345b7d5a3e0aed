"""What spirl asks a domain: nine questions, and the plain values in which it answers.

A domain outside spirl subclasses `Domain` and registers the class by the entry-point group `spirl.domains`
under the name of its `env.kind`. Only `section`, `metrics` and `make` must be answered.
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
        label: what the axis of a figure says.
        highest: largest value that is possible; None where unknown.
    """

    name: str
    label: str
    highest: float | None = None


RETURN = Metric("return", "return")


@dataclass(frozen=True)
class Setting:
    """What a row of results says about the task, so that only equal tasks are compared.

    Attributes:
        env: name of the environment in tables.
        order, noise, reward, layout: columns of a row; None where they mean nothing.
        words: the same for people, under a figure; may be empty.
        open_loop_apart: whether results of open-loop skills have names of their own (`spirl-open-loop`); where not,
            open-loop skills are what the paper calls SPiRL.
    """

    env: str
    order: str | None = None
    noise: float | None = None
    reward: str | None = None
    layout: str | None = None
    words: str = ""
    open_loop_apart: bool = True


@dataclass(frozen=True)
class PublishedCurve:
    """Points (environment steps, metric) of a learning curve that others published.

    Attributes:
        label: name of the method.
        points: read off the figure.
        uncounted_steps: warm-up that the published x-axis leaves out.
    """

    label: str
    points: tuple[tuple[float, float], ...]
    uncounted_steps: int = 0

    def shifted(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return x with the warm-up counted, and y."""
        steps, values = zip(*self.points, strict=True)
        return tuple(step + self.uncounted_steps for step in steps), values


# The authors of SPiRL leave their warm-up of 5,000 skills of 10 steps off the x-axis.
SPIRL_WARMUP_STEPS = 50_000


@dataclass(frozen=True)
class Published:
    """Curves of others for the very task, and the note that explains how they differ from ours."""

    curves: tuple[PublishedCurve, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Scales:
    """Typical mean and spread of a state's numbers, float32 `(D,)` each."""

    mean: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Replayed:
    """Episodes of one policy that were played once more.

    Attributes:
        title: name of the policy.
        episodes: per episode the noted values `(T+1, n)`.
    """

    title: str
    episodes: Sequence[np.ndarray]


# (number of episodes, what to note of each observation) → the evaluated policy first, then the baselines
Replay = Callable[[int, Callable[[np.ndarray], np.ndarray]], Iterable[Replayed]]


@dataclass(frozen=True)
class Figure:
    """A picture of a domain's own: the file's name, and what writes it."""

    name: str
    draw: Callable[[Path], None]


@dataclass(frozen=True)
class GeneratedEpisode:
    """One episode of T steps as a generator makes it.

    Attributes:
        observations: float32 `(T+1, D)`, the states.
        actions: float32 `(T, A)`.
        scene: bool array that images are drawn from together with a state, or None.
        attempts: how many were made until this one was good enough to be kept.
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
        usual: whether the settings are the usual ones; otherwise part of the checksum is added to the name.
        algorithm, description: for the dataset's metadata.
        spaces: makes the spaces of observations and actions.
        episode: turns a generated episode's states and actions into what Minari's episode buffer takes.
    """

    name: str
    usual: bool
    algorithm: str
    description: str
    spaces: Callable[[], tuple[gym.Space[Any], gym.Space[Any]]]
    episode: Callable[[np.ndarray, np.ndarray], Mapping[str, Any]]


@dataclass(frozen=True)
class Generator:
    """How to make a set of episodes, each from its number alone.

    Attributes:
        name: what messages call the set.
        make: makes the episode of a number; sent to other processes, so it must be picklable.
        episodes: how many there are.
        low, high: float32 `(A,)`, bounds of the actions.
        decides: JSON-able, everything else that the episodes follow from, a version included.
        chunk: episodes per file; an interruption loses less than that.
        may_fail: whether attempts fail, so that their rate of success is worth telling.
        shared: where the set is kept as a dataset, how; None: it is made for one run only.
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
        settings: of the planner; None: its defaults.
        episodes: how many; None: as many as the domain finds usual.
        seed: of the set.
        observation: the parts of the state that are selected.
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

    section: ClassVar[type[EnvSection]]  # its part of a recipe; importing it must not import a simulator or torch

    @abstractmethod
    def metrics(self, section: EnvSection) -> tuple[Metric, ...]:
        """Return the metrics that get a row of results, the one that is drawn first."""

    @abstractmethod
    def make(self, section: EnvSection, render_mode: str | None) -> gym.Env[Any, Any]:
        """Make the environment with its own, unselected observations.

        `info["metrics"]` holds floats with constant keys, those of `metrics` (but `return`) among them. Episodes
        end after `section.episode_length` steps (truncated) or before (terminated), never both.

        Raises:
            UsageError: it cannot be made, or does not fit the recipe.
        """

    def demonstrations(self, wanted: Wanted) -> Generator | None:
        """Return how demonstrations are made here; None where the domain cannot make any.

        Raises:
            UsageError: the recipe wants what they cannot give.
        """
        return None

    def draw(self, scenes: npt.NDArray[np.bool_] | None, states: np.ndarray) -> Images | None:
        """Draw images from states, uint8 `(B, rows, columns, channels)`; None where that is impossible.

        Args:
            scenes: bool `(B, ...)`, what does not change during the episode of each state; None without scenes.
            states: `(B, D)`.
        """
        return None

    @abstractmethod
    def setting(self, section: EnvSection) -> Setting:
        """Return what a row of results says about the task."""

    def published(self, section: EnvSection) -> Published:
        """Return what others published for this task; empty where nothing is comparable."""
        return Published()

    def scales(self, section: EnvSection, known: int) -> Scales | None:
        """Return typical values of the selected state where it extends that of the demonstrations, else None.

        Args:
            section: the recipe's environment.
            known: how many numbers the demonstrations' state has.
        """
        return None

    def figures(self, section: EnvSection, replay: Replay) -> Iterator[Figure]:
        """Yield pictures of the domain's own that belong to an evaluation."""
        return iter(())
