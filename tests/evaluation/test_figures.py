"""Learning curves, and those of other publications."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.domains.domain import Published
from spirl_cli.domains.kitchen.section import KitchenSection
from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.evaluation.figures import draw_learning_curve
from tests.support.agent_data import pendulum_recipe
from tests.support.result_rows import make_row


def published(env: EnvSection) -> Published:
    return domain_of(env).published(env)


def test_published_curves_are_for_the_published_task_only(tmp_path: Path) -> None:
    found = published(KitchenSection())
    assert {"SPiRL, closed-loop", "SAC"} <= {curve.label for curve in found.curves} and "noise" in found.note
    assert published(KitchenSection(tasks=("kettle",))) == Published()
    assert published(pendulum_recipe().env) == Published()


def test_warmup_is_counted_in_the_published_curves() -> None:
    closed_loop = next(curve for curve in published(KitchenSection()).curves if curve.label == "SPiRL, closed-loop")
    assert closed_loop.shifted()[0][:2] == (200_000, 250_000)


@pytest.mark.parametrize("steps", [(0,), (0, 200_000)])
def test_a_figure_is_drawn_for_points_and_curves(tmp_path: Path, steps: tuple[int, ...]) -> None:
    path = tmp_path / "curve.png"
    rows = [make_row(env_steps=step, policy=policy) for step in steps for policy in ("sampled", "mean")]
    draw_learning_curve(path, rows, KitchenSection(order="in-order"))
    assert path.read_bytes().startswith(b"\x89PNG")
