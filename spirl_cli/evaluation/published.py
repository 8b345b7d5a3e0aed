"""Learning curves published by others, to draw beside ours.

Read off the figures of the papers, ± 0.05; x is environment steps. They are for orientation:
each differs from ours in what `NOTE` says.
"""

from __future__ import annotations

from dataclasses import dataclass

from spirl_cli.domains.sections import BlocksSection, EnvSection, KitchenSection, MazeSection

# The authors of SPiRL leave their warm-up of 5,000 skills of 10 steps off the x-axis; ours counts it.
SPIRL_WARMUP_STEPS = 50_000
KITCHEN_TARGETS = ("microwave", "kettle", "bottom burner", "light switch")


@dataclass(frozen=True)
class PublishedCurve:
    """Points (environment steps, metric) of one published method.

    `uncounted_steps` is the warm-up that the published x-axis leaves out.
    """

    label: str
    points: tuple[tuple[float, float], ...]
    uncounted_steps: int = 0

    def shifted(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return x with the warm-up counted, and y."""
        steps, values = zip(*self.points, strict=True)
        return tuple(step + self.uncounted_steps for step in steps), values


KITCHEN_CURVES = (
    PublishedCurve(
        "SPiRL, closed-loop",
        ((150e3, 1.95), (200e3, 2.45), (490e3, 2.77), (1.0e6, 2.90), (1.3e6, 2.94)),
        SPIRL_WARMUP_STEPS,
    ),
    PublishedCurve(
        "SPiRL, open-loop",
        ((0.0, 0.24), (310e3, 1.1), (700e3, 1.8), (1.1e6, 2.75)),
        SPIRL_WARMUP_STEPS,
    ),
    PublishedCurve("SkiMo (model-based)", ((190e3, 3.14), (1.0e6, 3.6))),
    PublishedCurve("SkiMo without joint training", ((190e3, 3.43), (1.0e6, 3.81))),
    PublishedCurve("flat prior", ((1.3e6, 1.05),), SPIRL_WARMUP_STEPS),
    PublishedCurve("skills without prior", ((1.3e6, 0.9),), SPIRL_WARMUP_STEPS),
    PublishedCurve("BC + SAC", ((1.3e6, 0.6),), SPIRL_WARMUP_STEPS),
    PublishedCurve("SAC", ((1.3e6, 0.2),), SPIRL_WARMUP_STEPS),
)
KITCHEN_NOTE = (
    "Dashed lines and grey marks: published by others, read off ± 0.05 from curves of training episodes. SPiRL's\n"
    "robot noise is 0.1; its subtasks count in any order in its first version, in order in its code since 2021.\n"
    "The 50,000 warm-up steps that SPiRL and its baselines (grey) leave off the axis are added."
)

MAZE_CURVES = (
    PublishedCurve("SPiRL", ((230e3, 0.31), (440e3, 0.62), (650e3, 0.90), (1.4e6, 0.98)), SPIRL_WARMUP_STEPS),
    PublishedCurve("every baseline", ((1.4e6, 0.0),), SPIRL_WARMUP_STEPS),
)
MAZE_NOTE = (
    "Dashed line and grey mark: published, read off ± 0.05 from curves of training episodes in the layout of seed 0.\n"
    "The 50,000 warm-up steps that they leave off the axis are added."
)

BLOCKS_CURVES = {
    "dense": (
        PublishedCurve("SPiRL", ((50e3, 2.5), (100e3, 3.3), (140e3, 3.65), (600e3, 3.4)), SPIRL_WARMUP_STEPS),
        PublishedCurve("flat prior", ((600e3, 1.0),), SPIRL_WARMUP_STEPS),
        PublishedCurve("other baselines, at most", ((600e3, 0.5),), SPIRL_WARMUP_STEPS),
    ),
    "sparse": (
        PublishedCurve("SPiRL, closed-loop", ((750e3, 3.1), (2.4e6, 3.5)), SPIRL_WARMUP_STEPS),
        PublishedCurve("SPiRL, open-loop", ((3.0e6, 1.9),), SPIRL_WARMUP_STEPS),
    ),
}
BLOCKS_NOTE = (
    "Dashed line and grey marks: published, read off ± 0.05 from curves of training episodes; a looser metric, the\n"
    "largest height of any block that is supported. The 50,000 warm-up steps that they leave off the axis are added."
)


def published_curves(env: EnvSection) -> tuple[tuple[PublishedCurve, ...], str]:
    """Return the published curves for this environment's task, and the note that goes with them.

    Both are empty where nothing comparable was published.
    """
    if isinstance(env, KitchenSection) and set(env.tasks) == set(KITCHEN_TARGETS):
        return KITCHEN_CURVES, KITCHEN_NOTE
    if isinstance(env, MazeSection) and env.layout is None and (env.size, env.path_length) == (40, 34):
        return MAZE_CURVES, MAZE_NOTE
    if isinstance(env, BlocksSection) and env.blocks == 11:
        return BLOCKS_CURVES[env.reward], BLOCKS_NOTE
    return (), ""
