"""Faults while Slurm or Ray works: every cell completes, with the weights of an undisturbed sweep."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.sweeps.scene import SIX_CELLS, Scene, load, store_of
from spirl_cli.payload import CHECKPOINTS

_OFTEN = {"SPIRL_CHECKPOINT_SECONDS": "1"}
_NAME = "faults"


def slurm(scene: Scene, total: int, pause: float, seed: int) -> bool:
    """Disturb a sweep on Slurm; returns whether it ends with the same weights as an undisturbed one.

    Tasks are killed and terminated, their scripts killed, requeued and cancelled, nodes drained and brought back; each
    task also meets a time limit, if it runs long enough.

    Args:
        scene: where to work.
        total: number of faults.
        pause: seconds between two, on average.
        seed: of the faults.
    """
    store = "store-faults"
    scene.seconds("sweep", *SIX_CELLS, *store_of("store-undisturbed"))
    cells = ("sweep", *SIX_CELLS, *store_of(store), "--name", _NAME)
    disturbed = (*cells, "--engine", "slurm", "--slurm", "time=3")
    sweep = scene.start(*disturbed, **_OFTEN)
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    while counts.total() < total:
        time.sleep(pause * rng.uniform(0.5, 1.5))
        if sweep.poll() is not None:  # what was cancelled stays so until the command is typed again; or all is done
            if not scene.answer(*cells, "--dry-run")["left"]:
                break
            sweep = scene.start(*disturbed, **_OFTEN)
        name, fault = rng.choice(list(_FAULTS.items()))
        if (what := fault(scene.folder, rng)) is not None:
            counts[name] += 1
            print(f"fault {counts.total()}: {name} {what}", flush=True)
    sweep.wait()
    scene.seconds(*cells, "--engine", "slurm", **_OFTEN)
    print(f"{counts.total()} faults: {', '.join(f'{count} {name}' for name, count in counts.items())} ({load()})")
    return _same(scene, store) and counts.total() == total


def _same(scene: Scene, store: str) -> bool:
    made, undisturbed = scene.made(store), scene.made("store-undisturbed")
    differing = made.differences(undisturbed)
    twice = made.count - len(made.fingerprints)
    print(f"{made.count} stages, {twice} made twice, {len(made.contents)} files compared, {len(differing)} differ")
    return not differing and twice == 0 and made.fingerprints == undisturbed.fingerprints


def _tasks() -> list[tuple[str, str]]:
    """Return id and node of the running tasks."""
    command = ["squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i %N", f"--name=spirl-{_NAME}"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout.split("\n")
    return [(words[0], words[1]) for line in listed if len(words := line.split()) == 2]


def _processes(folder: Path, word: str) -> Iterator[int]:
    """Yield the processes that work in a folder, and have a word in their command that no driver has."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            where = os.readlink(f"/proc/{pid}/cwd")
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if where == str(folder.resolve()) and "sweep" not in words and any(word in one for one in words):
            yield int(pid)


def _signal(word: str, number: signal.Signals) -> Callable[[Path, random.Random], str | None]:
    def fault(folder: Path, rng: random.Random) -> str | None:
        found = list(_processes(folder, word))
        if not found:
            return None
        chosen = rng.choice(found)
        os.kill(chosen, number)
        return str(chosen)

    return fault


def _control(verb: str, command: str = "scontrol") -> Callable[[Path, random.Random], str | None]:
    def fault(folder: Path, rng: random.Random) -> str | None:
        tasks = _tasks()
        if not tasks:
            return None
        task, _ = rng.choice(tasks)
        subprocess.run([command, *([verb] if verb else []), task], check=False)
        return task

    return fault


def _drain(folder: Path, rng: random.Random) -> str | None:
    """Drain a node under its task, which is requeued, and bring it back."""
    tasks = _tasks()
    if not tasks:
        return None
    task, node = rng.choice(tasks)
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=drain", "reason=fault"], check=False)
    subprocess.run(["scontrol", "requeue", task], check=False)
    time.sleep(3)
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], check=False)
    return f"{node} under {task}"


_FAULTS: dict[str, Callable[[Path, random.Random], str | None]] = {
    "killed": _signal("spirl_cli", signal.SIGKILL),
    "terminated": _signal("spirl_cli", signal.SIGTERM),
    "script killed": _signal("slurm_script", signal.SIGKILL),
    "requeued": _control("requeue"),
    "cancelled": _control("", "scancel"),
    "drained": _drain,
}


def ray(scene: Scene) -> bool:
    """Take a node away from Ray while it works; returns whether the sweep ends with the same weights."""
    from ray.cluster_utils import Cluster

    scene.seconds("sweep", *SIX_CELLS, *store_of("store-undisturbed"))
    store = "store-node"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=1)
        sweep = scene.start(
            "sweep", *SIX_CELLS, *store_of(store), "--engine", "ray", "--ray", f"address={cluster.address}", **_OFTEN
        )
        while not list((scene.folder / store).glob(f"*/*/run-*/{CHECKPOINTS}")) and sweep.poll() is None:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        print("node removed", flush=True)
        cluster.add_node(num_cpus=1)
        code = sweep.wait()
    finally:
        cluster.shutdown()
    return code == 0 and _same(scene, store)
