"""Sums over demonstrations of the scripted expert, which are made up here."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.kitchen_expert import main, measure
from spirl_cli.domains.kitchen.expert.demonstrator import Demonstration

PLAN = ("kettle", "light switch")


def demonstration(completed: dict[str, int], *, restarts: int = 0) -> Demonstration:
    steps = 5 + max(completed.values(), default=0)
    shapes = ((steps + 1, 59), (steps + 1, 30), (steps, 9))
    arrays = (np.zeros(shape) for shape in shapes)
    return Demonstration(*arrays, PLAN, completed, restarts, set(completed) == set(PLAN))


def test_steps_are_those_since_the_subtask_before_and_failures_name_the_first_that_lacks() -> None:
    good = [
        demonstration({"kettle": 30, "light switch": 75}),
        demonstration({"kettle": 40, "light switch": 80}, restarts=1),
    ]
    measured = measure([*good, demonstration({"kettle": 20}), demonstration({}, restarts=2)])
    assert measured.success == pytest.approx(0.5)
    assert (measured.steps["kettle"], measured.steps["light switch"]) == ([30, 40], [45, 40])
    assert measured.lengths == [80, 85] and measured.restarts == 3
    assert measured.failed == Counter({"light switch": 1, "kettle": 1})


@pytest.mark.slow
def test_the_command_prints_every_subtask(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1", "--plans", "human"]) == 0
    printed = capsys.readouterr().out
    assert "microwave" in printed and "human plans: " in printed and "times as many as people" in printed
