"""The local engine: order, failures, shares of the cores, and what a signal does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spirl_cli.sweep.engine import Work
from spirl_cli.sweep.jobs import Job
from spirl_cli.sweep.local import LocalEngine, shares
from spirl_cli.sweep.record import SweepFolder
from tests.support.commands import cli_environment

GOOD = ("recipe", "list")
BAD = ("show", "nowhere/skills@v1")  # exits with 3


def job(key: str, arguments: tuple[str, ...] = GOOD, needs: tuple[str, ...] = ()) -> Job:
    return Job(key, "skills", "swing", None, None, arguments, needs, None, 1.0)


def run(jobs: list[Job], folder: Path, side_by_side: int = 2) -> list[str]:
    """Run jobs and return what was said."""
    said: list[str] = []
    sweep = SweepFolder(folder / "sweep")
    sweep.create()
    LocalEngine(side_by_side).run(Work(jobs, sweep, said.append, lambda job: job.key))
    return said


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", cli_environment()["PYTHONPATH"])
    return tmp_path


def test_a_job_starts_when_what_it_needs_is_done(folder: Path) -> None:
    said = run([job("a"), job("b"), job("c", needs=("a", "b"))], folder, side_by_side=3)
    events = [line.split()[:2] for line in said]
    assert events.index(["started", "c"]) > max(events.index(["done", "a"]), events.index(["done", "b"]))
    assert SweepFolder(folder / "sweep").exit_codes() == {"a": 0, "b": 0, "c": 0}


def test_no_more_run_side_by_side_than_asked_for(folder: Path) -> None:
    said = run([job(name) for name in "abcd"], folder, side_by_side=2)
    running = most = 0
    for line in said:
        running += 1 if line.startswith("started") else -1
        most = max(most, running)
    assert most == 2


def test_a_failed_job_takes_along_only_those_that_need_it(folder: Path) -> None:
    jobs = [job("bad", BAD), job("good"), job("lost", needs=("bad",)), job("last", needs=("lost",))]
    said = run([*jobs, job("kept", needs=("good",))], folder)
    sweep = SweepFolder(folder / "sweep")
    assert sweep.exit_codes() == {"bad": 3, "good": 0, "kept": 0}
    (failure,) = (line for line in said if line.startswith("failed"))
    log = sweep.log(jobs[0])
    assert "exit code 3" in failure and failure.endswith(str(log))
    assert "$ spirl show nowhere/skills@v1" in log.read_text() and "error:" in log.read_text()


def test_cores_are_divided_without_overlap() -> None:
    for cores, jobs in ((8, 3), (8, 8), (5, 2), (2, 1)):
        known = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
        if known < cores:
            continue
        dealt = [core for share in shares(cores, jobs) for core in share]
        assert len(dealt) == len(set(dealt)) == cores
    assert all(len(share) == 1 for share in shares(1, 4))


@pytest.mark.parametrize("given", [None, "7"])
def test_a_job_has_as_many_threads_as_cores_unless_the_user_says_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    environments: list[str] = []
    start = subprocess.Popen

    def spy(*arguments: object, **options: object) -> object:
        environments.append(options["env"]["OMP_NUM_THREADS"])  # type: ignore[index]
        return start(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", spy)
    run([job("a"), job("b")], folder, side_by_side=64)
    assert set(environments) == {given or "1"}


def test_a_signal_reaches_the_running_job_and_starts_no_other(folder: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from spirl_cli.errors import Interrupted
from spirl_cli.sweep import local
from spirl_cli.sweep.engine import Work
from spirl_cli.sweep.jobs import Job
from spirl_cli.sweep.record import SweepFolder
local.command_of = lambda job: [sys.executable, "-c", "import time; time.sleep(60)"]
sweep = SweepFolder(Path({str(folder / "sweep")!r})); sweep.create()
jobs = [Job(key, "skills", "swing", None, None, ("x",), (), None, 1.0) for key in "ab"]
try:
    local.LocalEngine(1).run(Work(jobs, sweep, lambda text: print(text, flush=True), lambda job: job.key))
except Interrupted as error:
    sys.exit(error.exit_code)
"""
    driver = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=cli_environment())
    assert driver.stdout is not None and driver.stdout.readline().startswith("started  a")
    began = time.monotonic()
    driver.send_signal(signal.SIGINT)
    said = driver.stdout.read()
    assert driver.wait() == 130 and time.monotonic() - began < 30
    assert "started" not in said
    assert SweepFolder(folder / "sweep").exit_codes() == {"a": -signal.SIGTERM}
