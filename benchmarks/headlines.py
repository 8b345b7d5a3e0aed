"""Our headline results, each compared with published numbers for the same task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spirl_cli.domains.registry import domain_of
from spirl_cli.errors import UsageError
from spirl_cli.evaluation.results import ResultRow
from spirl_cli.recipe.load import load_recipe

# Published task → recipe and profile with its environment.
PUBLISHED_TASKS: dict[str, tuple[str, str | None]] = {
    "kitchen": ("paper/kitchen", None),
    "maze": ("paper/maze", None),
    "blocks, dense reward": ("blocks", None),
    "blocks, sparse reward": ("blocks", "sparse"),
}
CLOSED_LOOP, SKIMO = "SPiRL, closed-loop", "SkiMo without joint training"
PUBLISHED_MAZE = "40x40 seed 0, (10, 24) to (18, 8)"
PEOPLE = "relay/kitchen-human-v0"


@dataclass(frozen=True)
class PublishedPoint:
    """One point of a published curve; `counted_step` includes the warm-up that the published axis leaves out."""

    label: str
    step: float
    counted_step: float
    value: float


@dataclass(frozen=True)
class Headline:
    """One line of the short table: one of our rows, and published points.

    Attributes:
        task: environment, metric and setting in words.
        published_task: key of `PUBLISHED_TASKS`.
        points: label of a published curve, and the quoted step on its published axis.
        env, metric, env_steps, order, noise, reward, layout, data: fields of our row, which has the method spirl and
            the sampled policy.
    """

    task: str
    published_task: str
    points: tuple[tuple[str, float], ...]
    env: str
    metric: str
    env_steps: int
    order: str | None = None
    noise: float | None = None
    reward: str | None = None
    layout: str | None = None
    data: str | None = None

    def row(self, rows: Sequence[ResultRow]) -> ResultRow:
        """Return our row.

        Raises:
            UsageError: there is no such row.
        """
        ours = (self.env, self.metric, self.env_steps, self.order, self.noise, self.reward, self.layout, self.data)
        found = [row for row in rows if _is_plain(row) and _asked(row) == ours]
        if not found:
            raise UsageError(f"no published row is about '{self.task}' at {self.env_steps} steps", "publish one first")
        return found[0]

    def published(self) -> list[PublishedPoint]:
        """Return the published points.

        Raises:
            KeyError: there is no such curve, or no such point on it.
        """
        known = {(point.label, point.step): point for point in published_points(self.published_task)}
        return [known[quoted] for quoted in self.points]


def published_points(task: str) -> list[PublishedPoint]:
    """Return all published points for a key of `PUBLISHED_TASKS`."""
    recipe, profile = PUBLISHED_TASKS[task]
    env = load_recipe(recipe, profile=profile).env
    return [
        PublishedPoint(curve.label, step, step + curve.uncounted_steps, value)
        for curve in domain_of(env).published(env).curves
        for step, value in curve.points
    ]


def _is_plain(row: ResultRow) -> bool:
    """Say whether a row is about the recipe's own task and is not a cell of a study."""
    special = (row.task, row.condition, row.study, row.cell)
    return (row.method, row.policy, *special) == ("spirl", "sampled", None, None, None, None)


def _asked(row: ResultRow) -> tuple[object, ...]:
    return (row.env, row.metric, row.env_steps, row.order, row.noise, row.reward, row.layout, row.data)


def _kitchen(env_steps: int, noise: float, *points: tuple[str, float]) -> Headline:
    task = f"kitchen: subtasks of four, in order, noise {noise:g}"
    return Headline(task, "kitchen", points, "kitchen", "subtasks", env_steps, "in-order", noise, data=PEOPLE)


def _blocks(env_steps: int, reward: str, *points: tuple[str, float]) -> Headline:
    task = f"block stacking: height in blocks, {reward} reward"
    published_task = f"blocks, {reward} reward"
    return Headline(task, published_task, points, "blocks", "height", env_steps, reward=reward, data="blocks-5")


HEADLINES = (
    _kitchen(200_000, 0.01, (CLOSED_LOOP, 200e3), (SKIMO, 190e3)),
    _kitchen(200_000, 0.1, (CLOSED_LOOP, 200e3)),
    _kitchen(1_000_000, 0.01, (CLOSED_LOOP, 1.0e6), (SKIMO, 1.0e6)),
    Headline(
        "maze: share of episodes that reach the goal",
        "maze",
        (("SPiRL", 650e3),),
        "maze",
        "success",
        700_000,
        reward="sparse",
        layout=PUBLISHED_MAZE,
        data="maze-20x20",
    ),
    _blocks(150_000, "dense", ("SPiRL", 140e3)),
    _blocks(600_000, "dense", ("SPiRL", 600e3)),
    _blocks(750_000, "sparse", (CLOSED_LOOP, 750e3), (CLOSED_LOOP, 2.4e6)),
)
