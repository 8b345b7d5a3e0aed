"""What counts as success in `info`, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spirl_cli.envs.make import make_env
from spirl_cli.errors import UsageError
from tests.support.odd_environments import Reports, odd

PUSH = np.zeros(1, np.float32)


def successes(steps: int = 3, **says: Any) -> list[float]:
    """Return what the metric says at each step."""
    env = make_env(odd(Reports, success_key="success", reward="success", **says))
    env.reset(seed=0)
    return [env.step(PUSH)[4]["metrics"]["success"] for _ in range(steps)]


@pytest.mark.parametrize("value", [True, 1, 1.0])
@pytest.mark.parametrize("array", [False, True])
def test_true_and_one_are_success(value: Any, array: bool) -> None:
    assert successes(value=value, array=array, since=2) == [0.0, 1.0, 1.0]


def test_of_the_last_step_only_where_the_recipe_says_so() -> None:
    env = make_env(odd(Reports, success_key="success", reward="success", success="last", value=True, until=2))
    env.reset(seed=0)
    steps = [env.step(PUSH) for _ in range(3)]
    assert [step[4]["metrics"]["success"] for step in steps] == [1.0, 0.0, 0.0]
    assert [step[1] for step in steps] == [0.0, 0.0, 0.0]


def test_the_last_step_is_paid_where_it_succeeds() -> None:
    env = make_env(odd(Reports, success_key="success", reward="success", success="last", value=True, since=2))
    env.reset(seed=0)
    paid, over = [], False
    while not over:
        _, reward, terminated, truncated, _ = env.step(PUSH)
        paid.append(reward)
        over = terminated or truncated
    assert paid == [0.0] * (len(paid) - 1) + [1.0]


@pytest.mark.parametrize("value", [[True], [[1]]])
def test_an_array_with_one_number_is_that_number(value: Any) -> None:
    assert successes(value=value, array=True, since=2) == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("value", [False, 0, 0.5, 2, -1])
def test_other_numbers_are_no_success(value: Any) -> None:
    assert successes(value=value) == [0.0] * 3


@pytest.mark.parametrize(
    ("value", "array", "words"),
    [
        ({"task": False}, False, "dict"),
        ([False], False, "list"),
        ("false", False, "str"),
        ([False, False], True, r"ndarray of shape \(2,\)"),
        (float("nan"), False, "float nan"),
    ],
)
def test_what_is_neither_true_nor_false_is_refused(value: Any, array: bool, words: str) -> None:
    with pytest.raises(UsageError, match=f"env.success_key: 'success' is {words}.*neither true nor false"):
        successes(value=value, array=array)


def test_the_keys_of_a_dictionary_are_offered_as_paths() -> None:
    with pytest.raises(UsageError) as refused:
        successes(value={"task": False, "lift": True})
    assert refused.value.hint == "name one of its keys: success/task, success/lift"


def test_a_path_leads_to_a_nested_key() -> None:
    env = make_env(odd(Reports, success_key="eval/success", key="eval/success", since=2))
    env.reset(seed=0)
    assert [env.step(PUSH)[4]["metrics"]["success"] for _ in range(3)] == [0.0, 1.0, 1.0]


def test_success_at_the_reset_is_passed_on_and_not_paid() -> None:
    env = make_env(odd(Reports, success_key="success", reward="success", value=True))
    assert env.reset(seed=0)[1]["success_at_reset"]
    assert [env.step(PUSH)[1] for _ in range(3)] == [1.0, 0.0, 0.0]
