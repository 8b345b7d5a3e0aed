"""`spirl tune`, where Optuna is installed: trials are ordinary runs, shared by processes, and survive a kill."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spirl_cli.store.store import Store
from tests.support.commands import Workspace

optuna = pytest.importorskip("optuna")

MakeWorkspace = Callable[..., Workspace]
SEARCH = ("tune", "swing.yaml", "--search", "train_rl.discount=0.8..0.99", "--set", "evaluate.episodes=3")


def trials(work: Workspace) -> list[Any]:
    """The trials in the journal, read by Optuna itself."""
    journal = work.folder / "artifacts/sweeps/swing-tune/journal.log"
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name="swing-tune", storage=storage).trials


def discounts(work: Workspace) -> set[float]:
    """The values that agents were trained with."""
    agents = Store(work.folder / "artifacts").artifacts(stage="agent")
    return {agent.manifest.parameters["train_rl"]["discount"] for agent in agents}


@pytest.mark.slow
def test_trials_are_artifacts_judged_at_the_snapshots(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    done = work.spirl(*SEARCH, "--trials", "2", "--json")
    found = json.loads(done.stdout)
    assert [one["state"] for one in found["trials"]] == ["complete"] * 2
    assert found["value"] == max(one["value"] for one in found["trials"])
    for trial in trials(work):
        assert sorted(trial.intermediate_values) == [400, 600]  # the snapshot and the end
        evaluation = Store(work.folder / "artifacts").resolve(trial.user_attrs["artifact"])
        assert trial.value == next(iter(evaluation.manifest.metrics.values()))
    assert discounts(work) == {trial.params["train_rl.discount"] for trial in trials(work)}
    plan = work.spirl(
        "run", "swing.yaml", "--set", "evaluate.episodes=3", "--dry-run", "--json", "--set",
        f"train_rl.discount={found['parameters']['train_rl.discount']!r}",
    )  # fmt: skip
    assert {stage["status"] for stage in json.loads(plan.stdout)["plan"]} == {"up to date"}
    again = work.spirl(*SEARCH, "--trials", "2")
    assert len(again.stdout.splitlines()) == 1 and Path(work.folder / again.stdout.strip()).is_dir()
    assert len(trials(work)) == 2


@pytest.mark.slow
def test_two_processes_share_a_study_and_a_killed_one_is_made_up_for(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    search = (*SEARCH, "--trials", "4", "--set", "train_rl.steps=3000")
    often = {"SPIRL_CHECKPOINT_SECONDS": "0.1"}
    first, second = work.start(*search, **often), work.start(*search, **often)
    runs = work.folder / "artifacts/swing/agent"
    assert first.wait_until(lambda: len({path.parent for path in runs.glob("run-*/checkpoint-*")}) == 2)
    first.interrupt(signal.SIGKILL)
    assert first.wait().returncode == -signal.SIGKILL
    assert second.wait().returncode == 0, second.stderr
    made = trials(work)
    for _ in range(100):  # the orphan's stage may still hold its lock for a moment
        if sum(one.state.name in ("COMPLETE", "PRUNED") for one in made) == 4:
            break
        work.spirl(*search)
        made = trials(work)
        time.sleep(0.1)
    dead = [one for one in made if one.state.name == "FAIL"]
    (repeated,) = (one for one in made if "again" in one.user_attrs)
    assert [one.number for one in dead] == [repeated.user_attrs["again"]]
    assert repeated.params == dead[0].params and repeated.state.name in ("COMPLETE", "PRUNED")
    assert len(made) == 5 and len(discounts(work)) == 4


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("train_rl.discount", "expected KEY=LOW..HIGH or KEY=A,B"),
        ("train_rl.discount=0.9..0.1", "--search train_rl.discount=0.9..0.1"),
        ("train_rl.discount=0..1:log", "--search train_rl.discount=0..1:log"),
    ],
)
def test_a_wrong_search_is_refused(workspace: MakeWorkspace, search: str, message: str) -> None:
    refused = workspace("clips").spirl("tune", "swing.yaml", "--search", search, code=2)
    assert message in refused.stderr
