"""What is said about training that goes wrong, and that nothing is said about training that goes well."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.watch import Watch
from tests.support.commands import CHECKOUT

HEALTHY = {
    "learner/alpha": 0.02,
    "learner/penalty": 5.0,
    "learner/value": 3.0,
    "training/return": 2.0,
    "training/best_return": 4.0,
    "training/return_spread": 1.0,
    "training/episodes": 100.0,
}


def kinds(rows: list[dict[str, float]], **section: Any) -> set[str]:
    """Return the kinds of signs that rows of a run of 100,000 steps show."""
    settings = TrainRLSection(steps=100_000, target_divergence=5.0, **section)
    watch = Watch(settings, [{"step": 1000.0 * (1 + number), **row} for number, row in enumerate(rows)])
    return set(watch.said)


def run(**changes: Any) -> list[dict[str, float]]:
    """Return 40 healthy rows; a changed value is a number, or a function of the row's number."""
    changed = {name.replace("__", "/"): change for name, change in changes.items()}
    return [{**HEALTHY, **{name: one(n) if callable(one) else one for name, one in changed.items()}} for n in range(40)]


def test_nothing_is_said_about_a_healthy_run() -> None:
    assert kinds(run()) == set()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"learner__alpha": lambda n: 0.02 * 1.2**n}, "alpha"),
        ({"learner__penalty": 40.0}, "divergence"),
        ({"learner__value": 59.0}, "values"),
        ({"training__return": 0.0, "training__best_return": 0.0, "learner__value": 0.0}, "reward"),
        ({"training__return": lambda n: 2.0 - 0.04 * n}, "decline"),
    ],
)
def test_each_sign_is_named_once(changes: dict[str, Any], kind: str) -> None:
    assert kinds(run(**changes)) == {kind}
    rows = run(**changes)
    watch = Watch(TrainRLSection(steps=100_000, target_divergence=5.0))
    said = [text for n, row in enumerate(rows) for text in watch.look({"step": 1000.0 * (1 + n), **row})]
    assert len(said) == 1 and watch.findings == (said[0],)


def test_a_decline_within_the_noise_of_episodes_is_none() -> None:
    noisy = run(training__return=lambda n: 2.0 - 0.01 * n, training__return_spread=3.0)
    assert kinds(noisy) == set()


def test_values_may_be_as_large_as_what_a_skill_can_earn_at_most() -> None:
    sparse = run(training__return=0.1, training__best_return=1.0, learner__value=5.0)
    assert kinds(sparse) == {"values"} and kinds(sparse, max_reward=10.0) == set()


def test_high_values_are_no_sign_where_returns_are_negative() -> None:
    assert kinds(run(training__return=-200.0, training__best_return=-120.0, learner__value=-3.0)) == set()


def test_no_reference_run_of_the_method_itself_is_called_sick() -> None:
    files = sorted((CHECKOUT / "artifacts/reference").glob("*/training/agent-seed*.csv"))
    assert len(files) >= 9
    for file in files:
        assert _said(file) == set(), file


def _said(file: Path) -> set[str]:
    import json

    parameters = json.loads(file.with_suffix(".manifest.json").read_text())["parameters"]["train_rl"]
    with file.open() as stream:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(stream)]
    return set(Watch(TrainRLSection.model_validate(parameters), rows).said)
