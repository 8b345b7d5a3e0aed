"""Two and four processes on everything that processes share: one makes it, the others take it.

    python -m benchmarks.torture.sharing --processes 2 4

Stages are run by as many commands over one store, at once. Demonstrations that all runs share, and a download from a
server on this computer, are made by as many processes that share a folder of datasets. The cache of checksums is
written by all at once, and stays readable.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.torture.lab import COMMANDS, FILE, OFTEN, Fault, Lab, Row, open_lab
from benchmarks.torture.table import show
from spirl_cli.demos.download import download
from spirl_cli.demos.formats.minari import is_local, local_datasets
from spirl_cli.demos.identity import generated_identity, identity_of
from spirl_cli.demos.shared import shared_dataset
from spirl_cli.domains.domain import GeneratedEpisode, Generator, SharedDataset
from spirl_cli.payload import CLIPS, SKILLS
from tests.support.commands import cli_environment
from tests.support.format_writers import make_episodes, write_minari
from tests.support.hub import Hub, serve
from tests.support.reporters import Recorder

EPISODES = 3
MADE = "SPIRL_TORTURE_MADE"  # file with a line for each episode that was made
SHARED, DOWNLOADED = "torture/made-v0", "hub/own-v0"
STAGES = (CLIPS, SKILLS)


def share_all(lab: Lab, processes: Sequence[int], stages: Sequence[str] = STAGES) -> Row:
    """Let so many processes want the same, for each thing that can be shared."""
    row = Row("sharing")
    for count in processes:
        for stage in stages:
            with row.case(f"{count} commands {COMMANDS[stage]}"):
                _share_stage(lab, stage, count)
                row.add("made once and taken by the others")
        for thing in (_share_demonstrations, _share_download, _share_cache):
            with row.case(f"{count} processes: {thing.__name__.removeprefix('_share_')}"):
                folder = lab.folder / f"{thing.__name__}-{count}"
                folder.mkdir()
                thing(folder, count)
                row.add("made once and taken by the others")
                shutil.rmtree(folder)
    return row


def _share_stage(lab: Lab, stage: str, count: int) -> None:
    work = lab.before(stage)
    commands = [work.start(COMMANDS[stage], FILE, **OFTEN) for _ in range(count)]
    for command in commands:
        command.wait()
        lab.require_same(stage, work, command)
    made = list((lab.artifacts(work) / stage).glob("v*"))
    if len({command.stdout for command in commands}) != 1 or len(made) != 1:
        raise Fault(f"{count} commands made {len(made)} artifacts")
    shutil.rmtree(work.folder)


def _share_demonstrations(folder: Path, count: int) -> None:
    made = folder / "made"
    _run_all("demonstrations", folder, count, {MADE: str(made)})
    if made.read_text().split() != [str(number) for number in range(EPISODES)]:
        raise Fault(f"episodes were made in this order: {made.read_text().split()}")


def _share_download(folder: Path, count: int) -> None:
    offered = folder / "server" / "hub"
    offered.mkdir(parents=True)
    path = write_minari(offered / "own-v0", make_episodes(3))
    metadata = path / "data" / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "dataset_id": DOWNLOADED}))
    (offered / "root").rmdir()
    (offered / "namespace_metadata.json").write_text(json.dumps({"datasets": [DOWNLOADED]}))
    with serve(Hub(offered)) as hub:
        variables = {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        _run_all("download", folder, count, variables)
    asked = [one for one in hub.requests if one.startswith("GET") and one.endswith("main_data.hdf5")]
    if len(asked) != 1:
        raise Fault(f"the data were asked for {len(asked)} times")


def _share_cache(folder: Path, count: int) -> None:
    _run_all("cache", folder, count, {})
    entries = json.loads((folder / "cache" / "spirl" / "datasets.json").read_text())
    if not entries:
        raise Fault("the cache is empty")


def _run_all(what: str, folder: Path, count: int, variables: dict[str, str]) -> None:
    """Let so many processes want something at once, each in a folder of its own."""
    places: dict[str, str | Path] = {"XDG_CACHE_HOME": folder / "cache", "MINARI_DATASETS_PATH": folder / "datasets"}
    command = [sys.executable, "-m", "benchmarks.torture.sharing", "--want", what]
    running = []
    for number in range(count):
        own = folder / str(number)
        own.mkdir()
        environment = cli_environment(**{**places, **variables}, HF_HOME=own / "home")
        running.append(
            subprocess.Popen([*command, str(own)], env=environment, stderr=subprocess.PIPE, cwd=own, text=True)
        )
    for process in running:
        _, said = process.communicate()
        if process.returncode != 0:
            raise Fault(f"a process ended with {process.returncode}: {said[-2000:]}")
    left = [path.name for path in (folder / "datasets").glob(".*") if path.is_dir()]
    if left:
        raise Fault(f"left behind: {left}")


def _spaces() -> tuple[Any, Any]:
    from gymnasium.spaces import Box

    return Box(-9, 9, (2,), np.float32), Box(-1, 1, (1,), np.float32)


def _episode(states: np.ndarray, actions: np.ndarray) -> dict[str, Any]:
    ends = np.arange(len(actions)) == len(actions) - 1
    nothing = np.zeros(len(actions))
    return {
        "observations": states,
        "actions": actions,
        "rewards": nothing,
        "terminations": nothing.astype(bool),
        "truncations": ends,
    }


def make_episode(number: int) -> GeneratedEpisode:
    """Make an episode, and note that it was made."""
    with open(os.environ[MADE], "a") as file:
        file.write(f"{number}\n")
    return GeneratedEpisode(np.full((4, 2), number, np.float32), np.zeros((3, 1), np.float32))


def want(what: str, folder: Path) -> None:
    """Take what is shared, or make it: the work of one process.

    Raises:
        Fault: it is not there afterwards.
    """
    if what == "demonstrations":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # so that this process makes the episodes
        bound = np.ones(1, np.float32)
        generator = Generator("torture", make_episode, EPISODES, -bound, bound)
        identity = generated_identity("scripted", SHARED, EPISODES, {"seed": 0})
        form = SharedDataset(SHARED.removesuffix("-v0"), True, "made up", "made up", _spaces, _episode)
        shared_dataset(generator, form, identity, folder, Recorder())
        if not is_local(SHARED):
            raise Fault(f"there are only {local_datasets()}")
    elif what == "download":
        download(DOWNLOADED, lambda text: print(text, file=sys.stderr))
        if not is_local(DOWNLOADED):
            raise Fault(f"there are only {local_datasets()}")
    else:
        for dataset in _datasets(folder):
            identity_of(dataset)


def _datasets(folder: Path) -> Iterator[Any]:
    from spirl_cli.demos.formats.detect import open_dataset

    for number in range(10):
        path = write_minari(folder / f"own-{number}-v0", make_episodes(2))
        yield open_dataset(str(path), None, [])


def main(arguments: Sequence[str] | None = None) -> int:
    """Share, print what became of it, and return the exit code."""
    parser = argparse.ArgumentParser(description="Let several processes want the same thing at once.")
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--want", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.want:
        want(chosen.want[0], Path(chosen.want[1]))
        return 0
    with open_lab() as lab:
        return show([share_all(lab, chosen.processes)])


if __name__ == "__main__":
    sys.exit(main())
