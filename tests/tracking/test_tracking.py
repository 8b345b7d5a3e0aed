"""Trackers: what they are told, and that nothing of what they do reaches the run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spirl_cli.monitor.metrics import MetricsLog, metric_rows
from spirl_cli.store.store import Store
from spirl_cli.tracking.session import Tracking
from spirl_cli.tracking.tracker import TrackedRun
from tests.support.commands import Workspace, cli_environment
from tests.support.reporters import Recorder
from tests.support.tracking_data import read_notes, write_trackers

RUN = TrackedRun("swing/agent", "abcdef123456", {"train_rl.steps": 600}, {"recipe": "swing", "stage": "agent"})


@pytest.fixture
def trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Register the trackers of the tests; returns the variables that commands need for them."""
    package = write_trackers(tmp_path / "package")
    path = os.pathsep.join([str(package), cli_environment()["PYTHONPATH"]])
    variables = {"PYTHONPATH": path, "NOTES": str(tmp_path / "notes")}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def run(work: Workspace, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that knows the registered trackers."""
    done = subprocess.run(
        [sys.executable, "-m", "spirl_cli", *arguments],
        cwd=work.folder,
        env={**cli_environment(**work.variables), "PYTHONPATH": os.environ["PYTHONPATH"], **environment},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == code, done.stderr
    return done


def agent_hashes(work: Workspace) -> set[str]:
    (agent,) = Store(work.folder / "artifacts").artifacts(stage="agent")
    return {output.sha256 for output in agent.manifest.outputs if output.file == "policy.safetensors"}


def follow(folder: Path, rows: dict[int, float], *names: str, made: bool, patience: float = 30.0) -> Recorder:
    """Log rows to a run that is tracked."""
    recorder = Recorder()
    log = MetricsLog(folder)
    with Tracking(names, RUN, folder, recorder, patience=patience) as tracking:
        for step, value in rows.items():
            log.append(step, {"loss": value})
        log.close()
        if made:
            tracking.made("swing/agent@v1", folder, {"return": 1.5})
    return recorder


@pytest.mark.slow
def test_a_tracker_gets_parameters_metrics_and_artifact_of_each_stage(
    workspace: Callable[..., Workspace], trackers: dict[str, str], notes: Path
) -> None:
    work = workspace("clips", "skills")
    done = run(work, "run", "swing.yaml", "--track", "noting")
    assert "--track" not in done.stderr
    artifacts = {artifact.manifest.stage: artifact for artifact in Store(work.folder / "artifacts").artifacts()}
    begun = {note["labels"]["stage"]: note for note in read_notes(notes, "begin")}
    assert set(begun) == {"prior", "agent", "evaluation"}  # the others were up to date
    assert begun["agent"]["parameters"]["train_rl.steps"] == 600
    assert begun["agent"]["labels"]["recipe"] == "swing" and begun["agent"]["labels"]["seed"] == "0"
    for stage, note in begun.items():
        logged = [(one["step"], one["values"]) for one in read_notes(notes, "log") if one["id"] == note["id"]]
        rows = metric_rows(artifacts[stage].path)
        assert logged == [(row.pop("step"), row) for row in rows] and (rows or stage == "evaluation")
        (end,) = (one for one in read_notes(notes, "end") if one["id"] == note["id"])
        assert end["artifact"] == artifacts[stage].reference


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_curve(
    workspace: Callable[..., Workspace], trackers: dict[str, str], notes: Path
) -> None:
    work = workspace("clips", "skills", "prior")
    command = ("train-rl", "swing.yaml", "--set", "train_rl.steps=4000", "--track", "noting")
    environment = {**cli_environment(**work.variables), **trackers, "SPIRL_CHECKPOINT_SECONDS": "0.1"}
    first = subprocess.Popen(
        [sys.executable, "-m", "spirl_cli", *command], cwd=work.folder, env=environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 600
    while not (notes.exists() and len(read_notes(notes, "log")) >= 3):
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    first.wait()
    run(work, *command)
    begun, logged = read_notes(notes, "begin"), read_notes(notes, "log")
    assert [note["known"] for note in begun] == [None, begun[0]["id"]]
    (agent,) = Store(work.folder / "artifacts").artifacts(stage="agent")
    assert [(one["step"], one["values"]) for one in logged] == [
        (row.pop("step"), row) for row in metric_rows(agent.path)
    ]
    assert [note["artifact"] for note in read_notes(notes, "end")] == [None, agent.reference]


@pytest.mark.slow
def test_a_tracker_that_fails_changes_nothing_and_warns_once(
    workspace: Callable[..., Workspace], trackers: dict[str, str]
) -> None:
    work, plain = workspace("clips", "skills", "prior"), workspace("clips", "skills", "prior", name="plain")
    done = run(work, "train-rl", "swing.yaml", "--track", "raising,killed,printing")
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: --track")]
    assert sorted(line.split()[2] for line in warnings) == ["killed:", "raising:"]
    assert any("No space left on device" in line and "goes on without it" in line for line in warnings)
    assert len(done.stdout.splitlines()) == 1
    run(plain, "train-rl", "swing.yaml")
    assert agent_hashes(work) == agent_hashes(plain)


def test_a_tracker_that_hangs_is_ended(trackers: dict[str, str], tmp_path: Path) -> None:
    began = time.monotonic()
    recorder = follow(tmp_path / "run-1", {1: 0.5}, "hanging", made=True, patience=2.0)
    assert time.monotonic() - began < 60
    (warning,) = recorder.warnings
    assert warning.startswith("--track hanging: it has not finished within 2 s")


def test_rows_from_before_the_tracker_are_caught_up(trackers: dict[str, str], tmp_path: Path, notes: Path) -> None:
    folder = tmp_path / "run-1"
    assert follow(folder, {1: 0.5, 2: 0.25}, made=False).warnings == []
    follow(folder, {3: 0.125}, "noting", made=False)
    follow(folder, {4: 0.0}, "noting", made=True)
    assert [note["step"] for note in read_notes(notes, "log")] == [1, 2, 3, 4]
    assert len({note["id"] for note in read_notes(notes, "begin")}) == 1


def test_a_run_that_starts_anew_is_another_one(trackers: dict[str, str], tmp_path: Path, notes: Path) -> None:
    folder = tmp_path / "run-1"
    follow(folder, {1: 0.5}, "noting", made=False)
    with Tracking(("noting",), RUN, folder, Recorder(), fresh=True):
        pass
    assert [note["known"] for note in read_notes(notes, "begin")] == [None, None]


def test_a_tracker_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb.py").write_text("raise ImportError('No module named wandb')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), cli_environment()["PYTHONPATH"]]))
    recorder = follow(tmp_path / "run-1", {1: 0.5}, "wandb", made=True)
    (warning,) = recorder.warnings
    assert "pip install 'spirl[wandb]'" in warning


def test_a_wrong_name_is_refused(workspace: Callable[..., Any]) -> None:
    work = workspace("clips", "skills", "prior")
    refused = work.spirl("train-rl", "swing.yaml", "--track", "tensorbord", code=2)
    assert "no tracker 'tensorbord'. Did you mean 'tensorboard'?" in refused.stderr
    assert "no tracker 'x'" in work.spirl("sweep", "swing.yaml", "--track", "x", code=2).stderr
    lines = work.spirl("sweep", "swing.yaml", "--track", "tensorboard", "--emit", "lines").stdout
    assert all("--track tensorboard" in line for line in lines.splitlines())
