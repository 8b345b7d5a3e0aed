"""Commands that run stages: what they print, how they choose their inputs, how they stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spirl_cli.cli.app import run as run_in_process
from spirl_cli.recipe.load import load_recipe
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.commands import RunCli, cli_environment
from tests.support.datasets import SyntheticMinari


def test_a_stage_prints_its_path_and_then_that_it_is_up_to_date(
    recipe: Path, synthetic_minari: SyntheticMinari, run_cli: RunCli, tmp_path: Path
) -> None:
    first = run_cli("extract", recipe)
    assert first.returncode == 0, first.stderr
    assert len(first.stdout.splitlines()) == 1
    assert (tmp_path / first.stdout.strip() / "manifest.json").is_file()
    again = run_cli("extract", "--recipe", recipe)
    assert again.stdout == first.stdout and "up to date" in again.stderr
    answer = json.loads(run_cli("extract", recipe, "--json").stdout)
    assert answer["status"] == "up to date" and answer["path"] == first.stdout.strip()
    forced = json.loads(run_cli("extract", recipe, "--json", "--force").stdout)
    assert forced["status"] == "done" and forced["artifact"] == "tiny/clips@v2"


def test_a_dry_run_changes_nothing_and_says_why(
    recipe: Path, synthetic_minari: SyntheticMinari, run_cli: RunCli, tmp_path: Path
) -> None:
    done = run_cli("run", recipe, "--dry-run")
    assert done.returncode == 0 and not (tmp_path / "artifacts").exists()
    assert [line.split()[:2] for line in done.stdout.splitlines()][-1] == ["evaluation", "run"]
    run_cli("extract", recipe)
    changed = run_cli("run", recipe, "--dry-run", "--json", "--set", "extract.validation_fraction=0.3")
    reasons = json.loads(changed.stdout)["plan"][0]["reasons"]
    assert reasons == ["extract.validation_fraction: 0.1 → 0.3 (compared with tiny/clips@v1)"]
    missing = run_cli("train-prior", recipe, "--dry-run")
    assert missing.returncode == 3 and "spirl train-skills" in missing.stderr


def test_a_seed_is_that_of_the_stage(recipe: Path, synthetic_minari: SyntheticMinari, run_cli: RunCli) -> None:
    def seeds(*arguments: str) -> list[bool]:
        plan = json.loads(run_cli(*arguments, "--dry-run", "--json").stdout)["plan"]
        return [stage["status"] == "up to date" for stage in plan]

    run_cli("extract", recipe)
    assert seeds("train-skills", str(recipe), "--seed", "3") == [True, False]
    assert seeds("run", str(recipe), "--seed", "3")[0] is False


def make_agent(root: Path, **more: Any) -> Artifact:
    """Write an agent with the recipe that evaluation needs in its manifest."""
    recipe = load_recipe("kitchen", overrides=["env.noise=0.5"]).model_dump(mode="json")
    with open_run(Store(root), "kitchen", "agent", "e" * 12) as run:
        (run.folder / "data.bin").write_bytes(b"payload")
        parameters = {"env": recipe["env"]}
        return run.commit(
            stage_version=1,
            parameters=parameters,
            inputs={},
            seed=0,
            keep=["data.bin"],
            extra={"recipe": recipe},
            **more,
        )


def planned_evaluation(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    code = run_in_process(["evaluate", *arguments, "--dry-run", "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out)["plan"] if code == 0 else None, said.err


def test_evaluate_alone_takes_the_newest_agent_else_the_reference_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own, reference = tmp_path / "artifacts", tmp_path / "reference"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("spirl_cli.store.store.reference_store", lambda: Store(reference))
    assert planned_evaluation(capsys)[0] == 3
    shipped = make_agent(reference)
    code, plan, said = planned_evaluation(capsys)
    assert code == 0 and plan[0]["path"] == str(shipped.path) and "the newest agent" in said
    assert planned_evaluation(capsys, "--agent", "kitchen/agent")[1][0]["path"] == str(shipped.path)
    make_agent(own, profile="quick")
    assert planned_evaluation(capsys)[1][0]["path"] == str(shipped.path)
    mine = make_agent(own)
    assert planned_evaluation(capsys)[1][0]["path"] == str(mine.path.relative_to(tmp_path))


def test_evaluate_uses_the_environment_of_the_agent_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_agent(tmp_path / "artifacts")
    assert "trained with another" not in planned_evaluation(capsys)[2]
    said = planned_evaluation(capsys, "--set", "env.noise=0.1")[2]
    assert "kitchen/agent@v1 was trained with another env.noise: 0.5 → 0.1" in said
    code, _, said = planned_evaluation(capsys, "--set", "env.nois=0.1")
    assert code == 2 and "Did you mean 'noise'?" in said
    assert planned_evaluation(capsys, "--profile", "quick")[0] == 2


@pytest.mark.slow
def test_all_stages_and_a_pipe_between_two(recipe: Path, synthetic_minari: SyntheticMinari, run_cli: RunCli) -> None:
    done = run_cli("run", recipe, "--json", timeout=300)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [stage["status"] for stage in answer["stages"]] == ["done"] * 5
    assert answer["stage"] == "evaluation" and "subtasks/sampled" in answer["metrics"]
    again = run_cli("run", recipe)
    assert again.stdout.strip() == answer["path"] and "everything is up to date" in again.stderr
    spirl = f"'{sys.executable}' -m spirl_cli"
    line = f'{spirl} evaluate --agent "$({spirl} train-rl {recipe})" --episodes 1 --policy mean --no-video'
    piped = subprocess.run(
        ["bash", "-c", line], cwd=recipe.parent, env=cli_environment(), capture_output=True, text=True, timeout=120
    )
    assert piped.returncode == 0 and len(piped.stdout.splitlines()) == 1, piped.stderr
    prior = run_cli("evaluate", recipe, "--prior-only", "--episodes", "1", "--json")
    assert prior.returncode == 0, prior.stderr
    newest = run_cli("evaluate", "--episodes", "1", "--step", "12345")
    assert newest.returncode == 3 and "snapshot" in newest.stderr


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_exits_with_130_and_the_same_command_resumes(
    sent: signal.Signals, recipe: Path, synthetic_minari: SyntheticMinari, run_cli: RunCli
) -> None:
    run_cli("extract", recipe)
    override = "train_skills.iterations=100000"
    process = subprocess.Popen(
        [sys.executable, "-m", "spirl_cli", "train-skills", str(recipe), "--set", override],
        cwd=recipe.parent,
        env=cli_environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "iterations" in line:
            break
    process.send_signal(sent)
    out, rest = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "again to resume" in rest and "Traceback" not in rest
    plan = json.loads(run_cli("train-skills", recipe, "--set", override, "--dry-run", "--json").stdout)["plan"]
    assert plan[-1]["status"] == "resume"
