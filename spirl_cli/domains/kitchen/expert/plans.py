"""Plans: the subtasks of a demonstration and their order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spirl_cli.domains.kitchen.section import KITCHEN_TASKS, KitchenExpert, KitchenSection

TARGET = frozenset(KitchenSection().tasks)  # subtasks of the published task

# Probabilities of the first subtask, and of each next one, in the human "mixed" demonstrations. The probabilities after
# the burners, the light switch and the cabinets are counted in 143 of these.
FIRST: Mapping[str, float] = {"microwave": 0.61, "kettle": 0.30, "bottom burner": 0.09}
NEXT: Mapping[str, Mapping[str, float]] = {
    "microwave": {"bottom burner": 0.47, "kettle": 0.42, "light switch": 0.055, "top burner": 0.055},
    "kettle": {"bottom burner": 0.55, "top burner": 0.19, "light switch": 0.18, "slide cabinet": 0.08},
    "bottom burner": {"top burner": 0.50, "slide cabinet": 0.25, "light switch": 0.19, "hinge cabinet": 0.06},
    "top burner": {"light switch": 0.53, "slide cabinet": 0.26, "hinge cabinet": 0.21},
    "light switch": {"slide cabinet": 0.70, "hinge cabinet": 0.30},
    "slide cabinet": {"hinge cabinet": 1.0},
    "hinge cabinet": {},
}


def draw_plan(settings: KitchenExpert, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw a sequence of different subtasks.

    A plan may be too short, because people never went on from its last subtask, or complete the target task although
    the settings forbid it. Such a plan is drawn again with the same first subtask, so that the statistics of first
    subtasks stay.
    """
    first = _first(settings, rng)
    while True:
        plan = _continued(first, settings, rng)
        if len(plan) == settings.subtasks and (settings.target or not completes_target(plan)):
            return plan


def completes_target(tasks: tuple[str, ...] | frozenset[str]) -> bool:
    """Say whether all four subtasks of the published task are among these."""
    return TARGET <= set(tasks)


def _first(settings: KitchenExpert, rng: np.random.Generator) -> str:
    return _drawn(dict.fromkeys(KITCHEN_TASKS, 1.0) if settings.plans == "uniform" else FIRST, rng)


def _continued(first: str, settings: KitchenExpert, rng: np.random.Generator) -> tuple[str, ...]:
    plan = [first]
    while len(plan) < settings.subtasks:
        table = dict.fromkeys(KITCHEN_TASKS, 1.0) if settings.plans == "uniform" else NEXT[plan[-1]]
        open_ones = {task: weight for task, weight in table.items() if task not in plan}
        if not open_ones:
            break
        plan.append(_drawn(open_ones, rng))
    return tuple(plan)


def _drawn(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    values = np.array(list(weights.values()))
    return list(weights)[int(rng.choice(len(values), p=values / values.sum()))]
