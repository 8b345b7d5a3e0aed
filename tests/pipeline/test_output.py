"""Stdout is the result's, and nobody has to listen to the talk: with environments that print, and streams that fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.commands import MakeWorkspace, Workspace, cli_environment
from tests.support.odd_environments import Parent, Talkative, as_options, odd
from tests.support.warm import Command

STAGES = ("clips", "skills", "prior")


@pytest.fixture(scope="module")
def talk() -> list[str]:
    return ["train-rl", "swing.yaml", *as_options(odd(Talkative))]


def start(work: Workspace, arguments: Sequence[str], stdout: Path | None = None, stderr: Path | None = None) -> Command:
    """Start a command whose streams lead elsewhere."""
    folder = Path(tempfile.mkdtemp(dir=work.folder))
    streams = (stdout or folder / "stdout", stderr or folder / "stderr")
    for stream in streams:
        stream.touch()
    variables = {**work.variables, "SPIRL_CHECKPOINT_SECONDS": "0"}
    pid = work.server.ask(
        arguments=list(arguments),
        cwd=str(work.folder),
        environment=cli_environment(**variables),
        streams=[str(stream) for stream in streams],
    )
    return Command(work.server, pid, streams)


def test_what_an_environment_prints_goes_to_stderr(workspace: MakeWorkspace, talk: list[str]) -> None:
    done = workspace(*STAGES).spirl(*talk)
    assert len(done.stdout.splitlines()) == 1 and "/agent/v001-" in done.stdout
    assert "loading a scene" in done.stderr and "physics: 1.0" in done.stderr


def test_json_stays_json_and_a_warning_is_shown_once_per_run(workspace: MakeWorkspace, talk: list[str]) -> None:
    work = workspace(*STAGES)
    done = work.spirl(*talk, "--json")
    assert json.loads(done.stdout)["status"] == "done"
    assert done.stderr.count("WARN: this scene is deprecated") == 1
    evaluated = work.spirl("evaluate", *talk[1:], "--json", "--set", "evaluate.video_episodes=1")
    assert json.loads(evaluated.stdout)["stage"] == "evaluation"


def test_an_environment_may_start_processes(workspace: MakeWorkspace) -> None:
    done = workspace(*STAGES).spirl("train-rl", "swing.yaml", *as_options(odd(Parent)))
    assert "a simulator runs" in done.stderr and len(done.stdout.splitlines()) == 1


def test_training_goes_on_when_the_disk_of_its_log_is_full(workspace: MakeWorkspace, talk: list[str]) -> None:
    done = start(workspace(*STAGES), talk, stderr=Path("/dev/full")).wait()
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1


def test_training_goes_on_when_the_reader_of_its_log_leaves(workspace: MakeWorkspace, talk: list[str]) -> None:
    work = workspace(*STAGES)
    pipe = work.folder / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []

    def hear_one_line() -> None:
        with pipe.open() as stream:
            heard.append(stream.readline())

    reader = threading.Thread(target=hear_one_line)
    reader.start()
    done = start(work, talk, stderr=pipe)
    reader.join()
    done.wait()
    assert heard[0] and done.returncode == 0 and len(done.stdout.splitlines()) == 1


def test_a_result_that_cannot_be_written_is_an_error_and_the_artifact_stays(workspace: MakeWorkspace) -> None:
    work = workspace(*STAGES)
    done = start(work, ["train-rl", "swing.yaml"], stdout=Path("/dev/full")).wait()
    assert done.returncode == 1 and "cannot be written to stdout: No space left" in done.stderr
    assert "up to date" in work.spirl("train-rl", "swing.yaml").stderr


def test_talk_does_not_end_in_stdout_when_stderr_is_closed(tmp_path: Path) -> None:
    shell = ["sh", "-c", f"exec {sys.executable} -m spirl_cli run no-such-recipe 2>&-"]
    done = subprocess.run(shell, cwd=tmp_path, env=cli_environment(), stdout=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")
