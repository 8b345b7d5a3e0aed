"""What a loaded agent says of itself, and what a wrong reference says in Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spirl_cli import load_agent
from spirl_cli.errors import ArtifactError
from spirl_cli.store.store import Store
from tests.support.agent_data import make_agent, pendulum_recipe
from tests.support.commands import MakeWorkspace, cli_environment


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts")


def test_an_agent_says_what_it_sees_and_does(store: Store) -> None:
    make_agent(store, pendulum_recipe())
    text = repr(load_agent("pendulum/agent", store=store))
    assert text.splitlines() == [
        "Agent pendulum/agent@v1: spirl, recipe pendulum, mean policy, final weights",
        "  observation: observation: 3 numbers",
        "  action: 1 numbers in [-2, 2]; a skill lasts 4 steps",
        "  score: not evaluated",
    ]
    assert "sampled policy, 500 weights" in repr(
        load_agent("pendulum/agent", store=store, snapshot=500, policy="sampled")
    )


def test_the_score_is_that_of_the_newest_evaluation(workspace: MakeWorkspace) -> None:
    work = workspace("agent", "evaluation")
    agent = load_agent("swing/agent", store=Store(work.folder / "artifacts"))
    assert agent.card is not None and agent.card.score.startswith("return -")
    assert agent.card.score.endswith("at 600 steps (swing/evaluation@v1)")
    best = load_agent("swing/agent", store=Store(work.folder / "artifacts"), snapshot=400)
    assert best.card is not None and "in training" in best.card.score


def test_an_export_is_named_by_its_folder(workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    work = workspace("clips", "skills", "prior", "agent")
    work.spirl("export", "swing/agent", "--to", "shared")
    shutil.rmtree(work.folder / "artifacts")
    monkeypatch.chdir(work.folder)
    assert load_agent("shared/swing/agent").horizon == load_agent("shared/swing/agent@v1").horizon == 5
    with pytest.raises(ArtifactError, match="shared/swing/agent@v2"):
        load_agent("shared/swing/agent@v2")
    assert "swing/agent@v1" in work.spirl("show", "shared/swing/agent").stdout


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("swing/agnt", "there is no artifact 'swing/agnt' in artifacts. Did you mean 'swing/agent'?"),
        ("swing/agent@v9", "swing/agent has no version 9; there is v1"),
        ("swing/prior", "'swing/prior' is of stage 'prior', but one of stage 'agent' is needed"),
    ],
)
def test_a_wrong_reference_is_one_sentence(reference: str, sentence: str, workspace: MakeWorkspace) -> None:
    work = workspace("prior", "agent")
    code = f"from spirl_cli import load_agent; load_agent({reference!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=work.folder, env=cli_environment(), capture_output=True, text=True
    )
    lines = done.stderr.splitlines()
    assert f"spirl_cli.errors.ArtifactError: {sentence}" in lines
    assert len(lines) <= 8 and "another exception" not in done.stderr  # where it was called, and no inner workings
