"""`spirl sweep` as a user types it: every command a process of its own, on the tiny pendulum."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spirl_cli.store.store import Store
from tests.support.commands import Workspace, cli_environment

MakeWorkspace = Callable[..., Workspace]
ALL = ("clips", "skills", "prior", "agent")
EPISODES = ("--grid", "evaluate.episodes=3,4")


def fingerprints(work: Workspace, stage: str = "evaluation") -> list[str]:
    return [artifact.fingerprint for artifact in Store(work.folder / "artifacts").artifacts(stage=stage)]


def planned(work: Workspace, *arguments: str) -> dict[str, Any]:
    """The last stage of what a person would type."""
    return json.loads(work.spirl(*arguments, "--dry-run", "--json").stdout)["plan"][-1]


def test_a_sweep_makes_what_is_new_and_prints_its_folder(workspace: MakeWorkspace) -> None:
    work = workspace(*ALL)
    done = work.spirl("sweep", "swing.yaml", *EPISODES, "--jobs", "2")
    assert done.stdout == "artifacts/sweeps/swing\n"
    made = fingerprints(work)
    assert len(made) == 2
    by_hand = planned(work, "evaluate", "swing.yaml", "--set", "evaluate.episodes=3")
    assert by_hand["status"] == "up to date" and by_hand["fingerprint"] in made

    again = work.spirl("sweep", "swing.yaml", *EPISODES)
    assert again.stdout == done.stdout and "started" not in again.stderr

    more = work.spirl("sweep", "swing.yaml", "--grid", "evaluate.episodes=3,4,5", "--json")
    assert more.stderr.count("started") == 1 and len(fingerprints(work)) == 3
    assert json.loads(more.stdout)["counts"] == {"done": 3}

    fewer = work.spirl("sweep", "swing.yaml", "--grid", "evaluate.episodes=3")
    assert "2 cells of the earlier 'swing' are not in it any more" in fewer.stderr and len(fingerprints(work)) == 3

    assert "sweeps" not in work.spirl("list").stdout + work.spirl("list").stderr
    assert all(line.endswith(": ok") for line in work.spirl("verify").stdout.splitlines())


def test_a_failed_cell_stops_no_other_and_is_named_with_its_log(workspace: MakeWorkspace) -> None:
    work = workspace(*ALL)
    arguments = ("sweep", "swing.yaml", "--grid", "env.id=Nowhere-v1,Pendulum-v1", "--name", "mine")
    failed = work.spirl(*arguments, code=1)
    assert failed.stdout == "artifacts/sweeps/mine\n" and len(fingerprints(work)) == 1
    assert "1 of 2 cells failed: env.id=Nowhere-v1" in failed.stderr
    status = json.loads(work.spirl("sweep", "status", "--json").stdout)
    assert status["name"] == "mine" and status["counts"] == {"failed": 1, "done": 1}
    (broken,) = (job for job in status["jobs"] if job["state"] == "failed")
    assert broken["exit_code"] not in (0, None) and "Nowhere" in (work.folder / broken["log"]).read_text()
    text = work.spirl("sweep", "status", "mine").stdout
    assert broken["log"] in text and f"spirl {shlex.join(arguments)}" in text


def test_what_would_run_is_told_without_a_trace(workspace: MakeWorkspace) -> None:
    work = workspace(*ALL)
    shown = work.spirl("sweep", "swing.yaml", *EPISODES, "--grid", "train_rl.steps=600,1200", "--dry-run")
    rows = [line.split() for line in shown.stdout.splitlines() if line]
    assert ["clips", "1", "1", "0", "-"] in rows and ["agent", "2", "1", "1"] == [*rows[-2][:4]]
    plan = json.loads(work.spirl("sweep", "swing.yaml", *EPISODES, "--dry-run", "--json").stdout)
    assert plan["left"] == plan["unknown"] == 2 and len(plan["cells"]) == 2
    assert not (work.folder / "artifacts/sweeps").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sweep"], 2, "Which recipe or study?"),
        (["sweep", "swin"], 2, "There is no recipe or study 'swin'"),
        (["sweep", "swing.yaml", "--seeds", "a"], 2, "--seeds a: seeds 'a' is not a list of seeds"),
        (["sweep", "swing.yaml", "--seed", "1"], 2, "No such option: --seed. Did you mean '--seeds'?"),
        (["sweep", "swing.yaml", "--name", "../up"], 2, "cannot name a sweep"),
        (["sweep", "swing.yaml", "--slurm", "time=1"], 2, "--slurm goes with --engine slurm"),
        (["sweep", "swing.yaml", "--engine", "slurm"], 2, "There is no sbatch on this machine"),
        (["sweep", "status"], 3, "There is no sweep in artifacts"),
    ],
)
def test_what_is_refused(workspace: MakeWorkspace, arguments: list[str], code: int, message: str) -> None:
    refused = workspace().spirl(*arguments, code=code, PATH="/nowhere")
    assert message in refused.stderr and refused.stdout == ""


def test_the_lines_are_commands_that_xargs_can_run(workspace: MakeWorkspace, tmp_path: Path) -> None:
    work = workspace(*ALL)
    emitted = work.spirl("sweep", "swing.yaml", *EPISODES, "--emit", "lines")
    assert "side by side only within: lines 1-2" in emitted.stderr
    program = tmp_path / "bin" / "spirl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spirl_cli "$@"\n')
    program.chmod(0o755)
    variables = {**work.variables, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(
        ["xargs", "-d", r"\n", "-n", "1", "sh", "-c", 'eval "$0"'],
        input=emitted.stdout,
        text=True,
        check=True,
        capture_output=True,
        cwd=work.folder,
        env=cli_environment(**variables),
    )
    plan = json.loads(work.spirl("sweep", "swing.yaml", *EPISODES, "--dry-run", "--json").stdout)
    wanted = {job["fingerprint"] for job in plan["jobs"] if job["stage"] == "evaluation"}
    assert plan["left"] == 0 and wanted == set(fingerprints(work))
    assert work.spirl("sweep", "swing.yaml", *EPISODES, "--emit", "lines").stdout == ""


def test_lines_of_cells_and_json_say_who_needs_whom(workspace: MakeWorkspace) -> None:
    work = workspace("clips")
    two = ("sweep", "swing.yaml", "--method", "spirl,no-prior", "--emit")
    cells = work.spirl(*two, "cells").stdout.splitlines()
    assert cells == ["spirl run swing.yaml --method spirl", "spirl run swing.yaml --method no-prior"]
    jobs = json.loads(work.spirl(*two, "lines", "--json").stdout)
    assert [job["wave"] for job in jobs] == sorted(job["wave"] for job in jobs)
    waves = {job["key"]: job["wave"] for job in jobs}
    assert all(waves[key] < job["wave"] for job in jobs for key in job["needs"] if key in waves)
    assert jobs[0]["command"] == "spirl train-skills swing.yaml --method spirl"


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on_to_the_same_weights(workspace: MakeWorkspace) -> None:
    longer = ("--set", "train_rl.steps=4000", "--set", "evaluate.snapshots=false")
    often = {"SPIRL_CHECKPOINT_SECONDS": "0.1"}
    whole = workspace("clips", "skills", "prior", name="whole")
    expected = whole.artifact("train-rl", "swing.yaml", *longer, "--set", "seed=0")

    work = workspace("clips", "skills", "prior")
    arguments = ("sweep", "swing.yaml", *longer, "--seeds", "0", "--method", "spirl,no-prior", "--jobs", "2")
    checkpoints = work.folder / "artifacts/swing/agent"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        before = len(list(checkpoints.glob("run-*/checkpoint-*")))
        sweep = work.start(*arguments, **often)
        if not sweep.wait_until(lambda: len(list(checkpoints.glob("run-*/checkpoint-*"))) > before):  # noqa: B023
            break
        os.kill(sweep.pid, number)
        sweep.wait()
        assert sweep.returncode == (-9 if number is signal.SIGKILL else 130), sweep.stderr
    work.spirl(*arguments)
    made = {path.parent.name.split("-")[1]: path for path in checkpoints.glob("v*/policy.safetensors")}
    assert len(made) == 2 and len(fingerprints(work)) == 2
    same = made[expected.name.split("-")[1]]
    assert same.read_bytes() == (expected / "policy.safetensors").read_bytes()
