"""The Slurm engine: what it submits and submits again; and, where Slurm runs, the same weights as by hand."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from spirl_cli.errors import UsageError
from spirl_cli.store.store import Store
from spirl_cli.sweep import slurm
from spirl_cli.sweep.engine import Work
from spirl_cli.sweep.jobs import Job
from spirl_cli.sweep.record import SweepFolder
from spirl_cli.sweep.slurm import SlurmEngine
from tests.support.commands import Workspace


def job(key: str, needs: tuple[str, ...] = ()) -> Job:
    return Job(key, "skills", "swing", None, None, ("recipe", "list"), needs, None, 1.0)


class Queue:
    """Stands for Slurm: notes what is submitted, and says what a test tells it to."""

    def __init__(self) -> None:
        self.arrays: list[Mapping[str, str]] = []
        self.rows: list[list[str]] = []
        self.answers: list[Callable[[], dict[str, str] | None]] = []

    def sbatch(self, options: Mapping[str, str], listed: Path) -> str:
        self.arrays.append(options)
        self.rows.append(listed.read_text().splitlines())
        return str(len(self.arrays))

    def squeue(self, name: str) -> dict[str, str] | None:
        return self.answers.pop(0)() if self.answers else {}


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    fake = Queue()
    monkeypatch.setattr(slurm, "_sbatch", fake.sbatch)
    monkeypatch.setattr(slurm, "queue_of", fake.squeue)
    monkeypatch.setattr(slurm, "_POLL", 0.0)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    return fake


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    made = SweepFolder(tmp_path / "sweep")
    made.create()
    return made


def run(jobs: list[Job], folder: SweepFolder, *, wait: bool = False, **submitted: str) -> dict[str, str]:
    remembered: dict[str, str] = dict(submitted)
    engine = SlurmEngine("mine", {"partition": "main"}, submitted, remembered.update, wait=wait)
    engine.run(Work(jobs, folder, lambda text: None, lambda job: job.key))
    return remembered


def test_jobs_that_need_the_same_are_one_array_behind_it(queue: Queue, folder: SweepFolder) -> None:
    ids = run([job("a"), job("b"), job("c", ("a",)), job("d", ("a",)), job("e", ("b",))], folder)
    assert ids == {"a": "1_0", "b": "1_1", "c": "2_0", "d": "2_1", "e": "3_0"}
    assert [array.get("dependency") for array in queue.arrays] == [None, "afterok:1_0", "afterok:1_1"]
    assert [array["array"] for array in queue.arrays] == ["0-1", "0-1", "0-0"]
    assert all(array["partition"] == "main" for array in queue.arrays)
    exit_file, log, command = queue.rows[0][1].split("\t")
    assert exit_file == str(folder.exit_file("b").resolve()) and log.endswith("recipe-b.log")
    assert command.endswith(" -m spirl_cli recipe list")


def test_large_arrays_are_split(queue: Queue, folder: SweepFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "_LARGEST_ARRAY", 2)
    ids = run([job(key) for key in "abcde"], folder)
    assert [array["array"] for array in queue.arrays] == ["0-1", "0-1", "0-0"] and ids["e"] == "3_0"


def test_what_the_queue_has_is_not_submitted_twice(queue: Queue, folder: SweepFolder) -> None:
    queue.answers = [lambda: {"7_0": "RUNNING", "7_1": "FAILED"}]
    ids = run([job("a"), job("b"), job("c", ("a",))], folder, a="7_0", b="7_1")
    assert ids == {"a": "7_0", "b": "1_0", "c": "2_0"}
    assert queue.arrays[1]["dependency"] == "afterok:7_0"


def test_a_need_that_is_done_is_no_dependency(queue: Queue, folder: SweepFolder) -> None:
    run([job("c", ("a",))], folder)
    assert "dependency" not in queue.arrays[0]


def test_a_task_that_died_without_a_word_is_submitted_again_with_those_behind_it(
    queue: Queue, folder: SweepFolder
) -> None:
    def finish() -> dict[str, str]:
        for key in "ab":
            folder.set_exit_code(key, 0)
        return {"3_0": "COMPLETED", "4_0": "COMPLETED"}

    queue.answers = [
        dict,
        lambda: {"1_0": "RUNNING", "2_0": "PENDING"},
        lambda: None,  # Slurm does not answer
        lambda: {"1_0": "NODE_FAIL", "2_0": "PENDING"},
        lambda: {"3_0": "PENDING", "2_0": "CANCELLED"},
        finish,
    ]
    ids = run([job("a"), job("b", ("a",))], folder, wait=True)
    assert ids == {"a": "3_0", "b": "4_0"} and queue.arrays[3]["dependency"] == "afterok:3_0"


def test_a_task_that_somebody_cancelled_or_that_failed_stays_so(queue: Queue, folder: SweepFolder) -> None:
    def fail() -> dict[str, str]:
        folder.set_exit_code("a", 3)
        return {"1_0": "FAILED", "1_1": "CANCELLED", "2_0": "CANCELLED"}

    queue.answers = [dict, fail]
    run([job("a"), job("b"), job("c", ("a",))], folder, wait=True)
    assert len(queue.arrays) == 2


def test_without_sbatch_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="no sbatch"):
        SlurmEngine("mine", {}, {}, lambda submitted: None, wait=False)


# ---- a real cluster, where there is one


def _answers() -> bool:
    if shutil.which("sbatch") is None:
        return False
    return subprocess.run(["sinfo", "--noheader"], capture_output=True).returncode == 0


real = pytest.mark.skipif(not _answers(), reason="no Slurm on this machine")


@real
@pytest.mark.slow
def test_a_real_cluster_makes_the_same_artifacts(workspace: Callable[..., Workspace], tmp_path: Path) -> None:
    work, by_hand = workspace("clips", "skills", "prior"), workspace("clips", "skills", "prior", name="hand")
    arguments = ("swing.yaml", "--grid", "train_rl.discount=0.9,0.95", "--set", "evaluate.episodes=3")
    done = work.spirl("sweep", *arguments, "--engine", "slurm", "--name", f"test-{tmp_path.name}")
    folder = work.folder / done.stdout.strip()
    status = json.loads(work.spirl("sweep", "status", "--json").stdout)
    assert status["counts"] == {"done": 2} and len(list((folder / "slurm").glob("*.tsv"))) == 3
    assert all(job["slurm"] for job in status["jobs"] if job["stage"] in ("agent", "evaluation"))
    by_hand.spirl("sweep", *arguments)
    assert _contents(work) == _contents(by_hand)


@real
@pytest.mark.slow
def test_a_killed_task_is_requeued_and_a_failed_one_is_named(workspace: Callable[..., Workspace]) -> None:
    work = workspace("clips", "skills", "prior")
    folder = SweepFolder(work.folder / "artifacts/sweeps/swing")
    grid = ("--grid", "env.id=Pendulum-v1,Nowhere-v1", "--set", "train_rl.steps=6000")
    sweep = work.start("sweep", "swing.yaml", *grid, "--engine", "slurm", SPIRL_CHECKPOINT_SECONDS="0.1")
    runs = work.folder / "artifacts/swing/agent"
    assert sweep.wait_until(lambda: any(runs.glob("run-*/checkpoint-*")))
    (holder,) = (json.loads(path.read_text()) for path in runs.glob("*.holder.json"))
    subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(holder["process"])], check=True)
    assert sweep.wait().returncode == 1 and "cells failed: env.id=Nowhere-v1" in sweep.stderr
    logs = [path.read_text() for path in (folder.path / "logs").glob("train-rl-*.log")]
    assert any("restart 1" in text and "resuming at" in text for text in logs)


def _contents(work: Workspace) -> dict[tuple[str, str], str]:
    """Checksum of each file of weights and numbers, by fingerprint; checkpoints also hold how long they took."""
    return {
        (artifact.fingerprint, output.file): output.sha256
        for artifact in Store(work.folder / "artifacts").artifacts()
        for output in artifact.manifest.outputs
        if output.file.endswith((".safetensors", ".csv")) and not output.file.startswith("checkpoint-")
    }
