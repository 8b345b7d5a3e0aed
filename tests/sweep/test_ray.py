"""The Ray engine, where Ray is installed: a node that dies, a failure, an interruption."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spirl_cli.errors import UsageError
from spirl_cli.store.store import Store
from spirl_cli.sweep.ray import RayEngine
from tests.support.commands import Workspace, cli_environment

LONGER = ("--set", "train_rl.steps=6000", "--set", "evaluate.episodes=3", "--set", "evaluate.snapshots=false")
OFTEN = {"SPIRL_CHECKPOINT_SECONDS": "0.1"}


def test_what_a_task_asks_for_must_be_numbers() -> None:
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match="--ray: could not convert"):
        RayEngine({"num_cpus": "two"})


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="Ray is not installed") as refused:
        RayEngine({})
    assert "spirl[ray]" in refused.value.hint


@pytest.mark.slow
def test_a_node_that_dies_loses_nothing(workspace: Callable[..., Workspace]) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    work, by_hand = workspace("clips", "skills", "prior"), workspace("clips", "skills", "prior", name="hand")
    arguments = ("sweep", "swing.yaml", "--grid", "train_rl.discount=0.9,0.95", *LONGER)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        nodes = [cluster.add_node(num_cpus=1)]
        sweep = _start(work, *arguments, "--engine", "ray", "--ray", f"address={cluster.address}")
        _wait_for_checkpoints(work, sweep, 2)
        cluster.remove_node(nodes[0], allow_graceful=False)
        cluster.add_node(num_cpus=1)
        said, _ = sweep.communicate(timeout=400)
        assert sweep.returncode == 0, said
    finally:
        cluster.shutdown()
    by_hand.spirl(*arguments)
    assert len(_policies(work)) == 2 and _policies(work) == _policies(by_hand)


@pytest.mark.slow
def test_an_interrupted_sweep_saves_and_goes_on(workspace: Callable[..., Workspace]) -> None:
    pytest.importorskip("ray")
    work = workspace("clips", "skills", "prior")
    arguments = ("sweep", "swing.yaml", "--grid", "env.id=Pendulum-v1,Nowhere-v1", *LONGER, "--engine", "ray")
    sweep = _start(work, *arguments)
    _wait_for_checkpoints(work, sweep, 1)
    sweep.send_signal(signal.SIGINT)
    said, _ = sweep.communicate(timeout=200)
    assert sweep.returncode == 130, said
    assert not _policies(work)
    done = work.spirl(*arguments, code=1)
    status = json.loads(work.spirl("sweep", "status", "--json").stdout)
    assert status["counts"] == {"done": 1, "failed": 1} and "env.id=Nowhere-v1" in done.stderr
    (log,) = (job["log"] for job in status["jobs"] if job["stage"] == "agent" and job["state"] == "done")
    assert "Interrupted: " in (work.folder / log).read_text() and "resuming at" in (work.folder / log).read_text()


def _start(work: Workspace, *arguments: str) -> subprocess.Popen[str]:
    """Start a sweep as a process of its own: Ray does not like to be forked."""
    return subprocess.Popen(
        [sys.executable, "-m", "spirl_cli", *arguments],
        cwd=work.folder,
        env=cli_environment(**work.variables, **OFTEN),
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    )


def _wait_for_checkpoints(work: Workspace, sweep: subprocess.Popen[str], runs: int) -> None:
    """Wait until so many agents have saved something."""
    agents = work.folder / "artifacts/swing/agent"
    deadline = time.monotonic() + 300
    while len({path.parent for path in agents.glob("run-*/checkpoint-*")}) < runs:
        assert sweep.poll() is None and time.monotonic() < deadline, sweep.communicate()
        time.sleep(0.02)


def _policies(work: Workspace) -> dict[str, str]:
    """Checksum of each agent's weights, by fingerprint."""
    return {
        artifact.fingerprint: output.sha256
        for artifact in Store(Path(work.folder) / "artifacts").artifacts(stage="agent")
        for output in artifact.manifest.outputs
        if output.file == "policy.safetensors"
    }
