"""Environments are tried before anything is trained: what works, and what is said of those that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spirl_cli.envs import trial
from spirl_cli.envs.trial import EPISODES, try_environment
from spirl_cli.errors import NotFiniteError, UsageError
from tests.support.commands import MakeWorkspace, RunCli
from tests.support.environments import scripted
from tests.support.odd_environments import (
    Boundless,
    Cart,
    Hanging,
    Larger,
    NotFinite,
    OldReset,
    OldStep,
    Parent,
    Reports,
    RewardArray,
    as_options,
    odd,
)

WRONG: list[tuple[type[Cart], dict[str, Any], str]] = [
    (OldReset, {}, r"'OldReset-v0' has a reset\(\) that takes no seed"),
    (OldStep, {}, r"'OldStep-v0' returns 4 values from step\(\), not \(observation, reward, terminated"),
    (Larger, {}, "declares 3 numbers of what env.observation selects, but it returned 4"),
    (RewardArray, {"shape": [2]}, r"step\(\) returned ndarray of shape \(2,\).*as reward"),
    (Boundless, {}, "actions need finite bounds"),
    (Reports, {"success_key": "success", "value": {"task": False}}, "env.success_key: 'success' is dict"),
]


@pytest.mark.parametrize(("kind", "changes", "message"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_wrong_is_said(kind: type[Cart], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        try_environment(odd(kind, **changes), pytest.fail)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("kind", "changes"),
    [(Cart, {}), (Parent, {}), *((RewardArray, {"shape": shape}) for shape in ([], [1], [1, 1]))],
)
def test_what_is_unusual_and_not_wrong_works(kind: type[Cart], changes: dict[str, Any]) -> None:
    warnings: list[str] = []
    try_environment(odd(kind, **changes), warnings.append)
    assert warnings == []


def test_a_number_that_is_not_finite_is_said() -> None:
    with pytest.raises(NotFiniteError, match="nan as reward at step 2"):
        try_environment(odd(NotFinite, at=2), pytest.fail)


def test_an_environment_that_fails_is_named_with_its_error() -> None:
    with pytest.raises(UsageError, match="'Scripted-v0' fails within 5 steps of random actions: KeyError: 'gripper'"):
        try_environment(scripted(kwargs={"fails_at": 2}), pytest.fail)


@pytest.mark.parametrize(
    ("since", "places"), [(0, ["at the reset", "after the first step"]), (1, ["after the first step"]), (2, [])]
)
def test_success_that_comes_too_early_is_counted(since: int, places: list[str]) -> None:
    warnings: list[str] = []
    try_environment(odd(Reports, success_key="success", since=since), warnings.append)
    assert warnings == [
        f"success is true {place} in {EPISODES} of {EPISODES} trial episodes; check env.success_key" for place in places
    ]


def test_a_trial_that_takes_very_long_says_so_and_the_limit_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SILENT_SECONDS", 0.2)
    warnings: list[str] = []
    with pytest.raises(UsageError, match=r"did not answer within 1\.8 s: its environment hangs"):
        try_environment(odd(Hanging, at=3, step_seconds=0.1), warnings.append)
    assert warnings == ["the environment is tried, and has been silent for 0 s"]


def test_nothing_is_made_for_an_environment_that_does_not_work(workspace: MakeWorkspace) -> None:
    work = workspace()
    refused = work.spirl("run", "swing.yaml", *as_options(odd(OldStep)), code=2)
    assert "returns 4 values from step()" in refused.stderr
    assert not list(work.folder.glob("artifacts/**/manifest.json"))


def test_recipe_check_tries_on_demand(tmp_path: Path, run_cli: RunCli) -> None:
    recipe = tmp_path / "mine.yaml"
    module = OldStep.__module__
    recipe.write_text(
        f"env: {{kind: gymnasium, id: OldStep-v0, module: {module}, episode_length: 9}}\nextract: {{dataset: none}}\n"
    )
    assert run_cli("recipe", "check", recipe).stdout == f"{recipe}: ok\n"
    tried = run_cli("recipe", "check", recipe, "--try")
    assert tried.returncode == 2 and "returns 4 values from step()" in tried.stdout
    recipe.write_text(recipe.read_text().replace("OldStep", "Talkative"))
    sound = run_cli("recipe", "check", recipe, "--try")
    assert (sound.returncode, sound.stdout) == (0, f"{recipe}: ok\n")
