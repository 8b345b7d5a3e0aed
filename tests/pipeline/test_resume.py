"""Stages that are killed, interrupted or diverge, and go on as if nothing had happened.

Everything runs through the command line. "The same" means the same bits: weights, optimisers,
random states, replay, logged metrics and evaluated episodes.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from spirl_cli.monitor.checkpoint import read_state
from tests.support.commands import MakeWorkspace, Workspace
from tests.support.datasets import SyntheticMinari
from tests.support.same_results import assert_no_process_left, payload
from tests.support.warm import WarmServer

# stage of artifacts, the stages it reads, what makes it long enough to be killed in the middle
STAGES = {
    "train-skills": ("skills", ("clips",), "train_skills.iterations=500"),
    "train-prior": ("prior", ("clips", "skills"), "train_prior.iterations=500"),
    "train-rl": ("agent", ("clips", "skills", "prior"), "train_rl.steps=2000"),
}
# the learner with environments is the one that can go wrong in most ways
FAST_AND_SLOW = [pytest.param(stage, marks=pytest.mark.slow) for stage in ("train-skills", "train-prior")] + [
    "train-rl"
]
OFTEN = {"SPIRL_CHECKPOINT_SECONDS": "0.05"}


def checkpoints(work: Workspace) -> set[int]:
    """Steps of the checkpoints of the unfinished runs in a workspace."""
    names = (path.name for path in work.folder.glob("artifacts/*/*/run-*/checkpoint-*.safetensors"))
    return {int(re.findall(r"\d+", name)[0]) for name in names}


def kill_repeatedly(work: Workspace, arguments: list[str], generator: random.Random, kills: int) -> int:
    """Kill a command at random moments after it has got further; returns how often, until it finished."""
    for killed in range(kills):
        reached = max(checkpoints(work), default=0)
        command = work.start(*arguments, **OFTEN)
        if not command.wait_until(lambda reached=reached: max(checkpoints(work), default=0) > reached):  # type: ignore[misc]
            return killed
        time.sleep(generator.uniform(0.0, 0.15))
        if not command.running():
            return killed
        command.interrupt(signal.SIGKILL)
        assert command.wait().returncode == -signal.SIGKILL
        assert_no_process_left(command)
    return kills


# ---- killed


@pytest.mark.parametrize("stage", FAST_AND_SLOW)
def test_killed_training_goes_on_bit_for_bit(stage: str, workspace: MakeWorkspace) -> None:
    _, inputs, longer = STAGES[stage]
    arguments = [stage, "swing.yaml", "--set", longer]
    if stage == "train-rl":  # not every round has an update
        arguments += ["--set", "train_rl.updates_per_step=0.3", "--set", "train_rl.log_every=30"]
    whole = workspace(*inputs, name="whole").artifact(*arguments, SPIRL_CHECKPOINT_SECONDS="1000")
    work = workspace(*inputs)
    assert kill_repeatedly(work, arguments, random.Random(stage), kills=3) >= 1
    command = work.spirl(*arguments)
    assert "resuming at" in command.stderr
    assert payload(work.folder / command.stdout.strip()) == payload(whole)
    assert checkpoints(work) == set()
    work.spirl("verify")


def test_a_killed_extraction_starts_again(workspace: MakeWorkspace, swing: Workspace) -> None:
    generator, work = random.Random(1), workspace()
    for _ in range(3):
        command = work.start("extract", "swing.yaml")
        time.sleep(generator.uniform(0.0, 0.4))
        if command.running():
            command.interrupt(signal.SIGKILL)
        command.wait()
    (clips,) = (swing.folder / "artifacts/swing/clips").glob("v*")
    assert payload(work.artifact("extract", "swing.yaml")) == payload(clips)


def test_a_killed_evaluation_keeps_the_policies_that_are_done(workspace: MakeWorkspace, swing: Workspace) -> None:
    work = workspace("clips", "skills", "prior", "agent")
    command = work.start("evaluate", "swing.yaml")
    finished = work.folder / "artifacts/swing/evaluation"
    assert command.wait_until(lambda: any(finished.glob("run-*/finished/*.csv")))
    time.sleep(random.Random(2).uniform(0.0, 0.1))
    command.interrupt(signal.SIGKILL)
    assert_no_process_left(command)
    again = work.spirl("evaluate", "swing.yaml")
    assert "was done before the interruption" in again.stderr
    (whole,) = (swing.folder / "artifacts/swing/evaluation").glob("v*")
    assert payload(work.folder / again.stdout.strip()) == payload(whole)


@pytest.mark.slow
def test_a_damaged_replay_falls_back_to_the_checkpoint_before(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    arguments = ["train-rl", "swing.yaml"]
    command = work.start(*arguments, SPIRL_CHECKPOINT_SECONDS="0")
    assert command.wait_until(lambda: max(checkpoints(work), default=0) > 200)
    command.interrupt(signal.SIGKILL)
    command.wait()
    folder = next(work.folder.glob("artifacts/swing/agent/run-*"))
    newest = folder / f"checkpoint-{max(checkpoints(work))}.safetensors"
    segment = folder / read_state(newest).scalars["replay"][-1]
    os.truncate(segment, segment.stat().st_size // 2)
    again = work.spirl(*arguments, SPIRL_CHECKPOINT_SECONDS="1000")
    assert "cannot be restored" in again.stderr and "resuming at" in again.stderr
    whole = workspace("clips", "skills", "prior", name="whole").artifact(*arguments)
    assert payload(work.folder / again.stdout.strip()) == payload(whole)


# ---- interrupted


@pytest.mark.parametrize("stage", FAST_AND_SLOW)
def test_signals_save_exit_with_130_and_the_same_command_resumes(stage: str, workspace: MakeWorkspace) -> None:
    _, inputs, longer = STAGES[stage]
    work = workspace(*inputs)
    arguments = [stage, "swing.yaml", "--set", longer]
    reached = 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        command = work.start(*arguments, SPIRL_CHECKPOINT_SECONDS="0.05")
        assert command.wait_until(lambda reached=reached: max(checkpoints(work), default=0) > reached)  # type: ignore[misc]
        command.interrupt(number)
        command.wait()
        assert (command.returncode, command.stdout) == (130, ""), command.stderr
        said = command.stderr.splitlines()[-2:]
        place = re.fullmatch(rf"Interrupted: {stage} is saved at ([\d,]+) of [\d,]+ \w+\.", said[0])
        assert place and said[1] == "hint: Run the same command again to resume."
        assert "Traceback" not in command.stderr
        reached = int(place[1].replace(",", ""))
        assert reached == max(checkpoints(work))
        assert_no_process_left(command)
    plan = json.loads(work.spirl(*arguments, "--dry-run", "--json").stdout)["plan"][-1]
    assert plan["status"] == "resume"
    assert f"resuming at {reached:,} of" in work.spirl(*arguments).stderr


def test_no_resume_starts_anew(workspace: MakeWorkspace) -> None:
    work = workspace("clips")
    command = work.start("train-skills", "swing.yaml", SPIRL_CHECKPOINT_SECONDS="0.05")
    assert command.wait_until(lambda: bool(checkpoints(work)))
    command.interrupt(signal.SIGKILL)
    command.wait()
    assert "resuming" not in work.spirl("train-skills", "swing.yaml", "--no-resume").stderr


# ---- diverged


@pytest.mark.parametrize(
    ("stage", "change", "quantity"),
    [
        ("train-skills", "train_skills.learning_rate=1e30", r"'[\w/.]+' (is no longer finite|is (nan|inf|-inf))"),
        ("train-prior", "train_prior.learning_rate=1e30", r"'[\w/.]+' (is no longer finite|is (nan|inf|-inf))"),
        ("train-rl", "train_rl.critic_learning_rate=1e30", r"('[\w/.]+' (is no longer finite|is (nan|inf))|skill)"),
    ],
)
def test_divergence_exits_with_4_and_keeps_the_last_good_checkpoint(
    stage: str, change: str, quantity: str, workspace: MakeWorkspace
) -> None:
    work = workspace(*STAGES[stage][1])
    done = work.spirl(stage, "swing.yaml", "--set", change, code=4, SPIRL_CHECKPOINT_SECONDS="0")
    assert done.stdout == "" and "Traceback" not in done.stderr
    message = done.stderr.splitlines()[-2]
    assert message.startswith(f"error: {stage} diverged at") and re.search(quantity, message), message
    kept = max(checkpoints(work))
    assert "last good checkpoint" in done.stderr
    path = next(work.folder.glob(f"artifacts/swing/*/run-*/checkpoint-{kept}.safetensors"))
    tensors = read_state(path).tensors
    assert all(np.isfinite(tensor.numpy()).all() for tensor in tensors.values())


# ---- two at once


def test_a_second_process_says_who_is_at_work_waits_and_takes_over(workspace: MakeWorkspace) -> None:
    work = workspace("clips")
    arguments = ["train-skills", "swing.yaml", "--set", "train_skills.iterations=500"]
    first = work.start(*arguments, **OFTEN)
    assert first.wait_until(lambda: bool(checkpoints(work)))
    first.interrupt(signal.SIGSTOP)  # so that it holds the lock, however fast the machine
    second = work.start(*arguments, **OFTEN)
    assert second.wait_until(lambda: "waiting for it" in second.stderr)
    assert f"swing/skills is being written by process {first.pid} on " in second.stderr
    first.interrupt(signal.SIGTERM)
    first.interrupt(signal.SIGCONT)
    assert first.wait().returncode == 130
    assert second.wait().returncode == 0, second.stderr
    assert "resuming at" in second.stderr


@pytest.mark.slow
def test_a_second_process_uses_what_the_first_has_made(workspace: MakeWorkspace) -> None:
    work = workspace("clips")
    both = [work.start("train-skills", "swing.yaml") for _ in range(2)]
    assert [command.wait().returncode for command in both] == [0, 0]
    assert both[0].stdout == both[1].stdout != ""
    assert sum("resuming" in command.stderr for command in both) == 0
    assert len(list(work.folder.glob("artifacts/swing/skills/v*"))) == 1


# ---- the kitchen, and processes that share nothing


@pytest.mark.slow
def test_a_killed_kitchen_agent_goes_on_bit_for_bit(
    tmp_path: Path, warm_server: WarmServer, synthetic_minari: SyntheticMinari
) -> None:
    """Also with hash seeds that differ between the processes, on which sets of task names depend."""
    variables = {"MINARI_DATASETS_PATH": synthetic_minari.path}
    whole, work = (Workspace(tmp_path / name, warm_server, variables) for name in ("whole", "work"))
    short = [
        *("extract.dataset=test/kitchen-v0", "env.episode_length=60", "env.order=any"),
        *("train_skills.iterations=20", "train_prior.iterations=20", "train_skills.best_of=2"),
        *("train_rl.steps=600", "train_rl.warmup_steps=200", "train_rl.snapshots=[]", "train_rl.critic_width=16"),
    ]
    arguments = ["kitchen", "--profile", "quick", *(part for value in short for part in ("--set", value))]
    whole.folder.mkdir()
    for stage in ("extract", "train-skills", "train-prior"):
        whole.spirl(stage, *arguments)
    shutil.copytree(whole.folder, work.folder)
    agent = whole.artifact("train-rl", *arguments)
    assert kill_repeatedly(work, ["train-rl", *arguments], random.Random(3), kills=2) >= 1
    assert payload(work.artifact("train-rl", *arguments)) == payload(agent)
