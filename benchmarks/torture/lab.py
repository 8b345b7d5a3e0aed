"""A small pipeline to torture: its recipe, its undisturbed results, and folders in which commands run.

The recipe makes its own demonstrations, learns in worker processes, keeps a snapshot and draws figures, so that each
stage writes all that it can write, within a second or two.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spirl_cli.payload import STAGE_NAMES
from tests.support.commands import Workspace, cli_environment
from tests.support.same_results import payload
from tests.support.warm import Command, WarmServer

RECIPE = """\
# A maze so small that every stage takes a second.
env: {kind: maze, size: 10, path_length: 5, max_manhattan: 5, episode_length: 60, observation: [{key: state}]}
extract: {source: planner, episodes: 250, planner: {size: 8, reach: 0.4, max_steps: 60}}
train_skills:
  {model: open-loop, horizon: 5, latent_dim: 2, iterations: 120, validate_every: 40, batch_size: 16, best_of: 2,
   encoder_width: 8, decoder_width: 8, decoder_depth: 1}
train_prior: {iterations: 120, validate_every: 40, batch_size: 16, width: 8, depth: 1}
train_rl:
  {steps: 600, warmup_steps: 100, environments: 1, batch_size: 16, critic_width: 8, policy_width: 8, log_every: 100,
   updates_per_step: 0.3, snapshots: [200, 400]}
evaluate: {episodes: 8, environments: 1, video_episodes: 0, bootstrap: 20, baselines: [no-prior]}
"""
NAME = "torture"
FILE = f"{NAME}.yaml"
COMMANDS = dict(zip(STAGE_NAMES, ("extract", "train-skills", "train-prior", "train-rl", "evaluate"), strict=True))
OFTEN = {"SPIRL_CHECKPOINT_SECONDS": "0.05"}
LEFT_OVERS = ("run-*", ".staging-*", ".trash-*", ".*.tmp", "*.holder.json", "*.raw")
_SHARED_MEMORY = Path("/dev/shm")


class Fault(AssertionError):
    """Something was lost, wrong or left behind."""


@dataclass
class Row:
    """What became of one kind of harm: a line of the table at the end."""

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, what: str, count: int = 1) -> None:
        """Count an outcome."""
        self.counts[what] = self.counts.get(what, 0) + count

    @contextlib.contextmanager
    def case(self, description: str) -> Iterator[None]:
        """Note and print what goes wrong in a case, and go on with the next."""
        begun = time.monotonic()
        try:
            yield
        except AssertionError as error:
            self.faults.append(f"{description}: {error}")
            print(f"FAULT in {self.name}: {self.faults[-1]}", file=sys.stderr, flush=True)
        finally:
            self.seconds += time.monotonic() - begun


class Lab:
    """The undisturbed pipeline, and workspaces with parts of it.

    Attributes:
        whole: where the pipeline has run.
        results: payload of each stage's artifact, as `tests.support.same_results` compares it.
        seconds: time that each stage takes.
    """

    def __init__(self, folder: Path, server: WarmServer) -> None:
        self.folder = folder
        self.server = server
        self.results: dict[str, dict[str, Any]] = {}
        self.seconds: dict[str, float] = {}
        self._made = 0
        self.whole = self._workspace(folder / "whole")
        for stage, command in COMMANDS.items():
            begun = time.monotonic()
            self.results[stage] = payload(self.whole.artifact(command, FILE, **OFTEN))
            self.seconds[stage] = time.monotonic() - begun

    def workspace(self, *stages: str, at: Path | None = None) -> Workspace:
        """Return a new workspace with the artifacts of these stages."""
        self._made += 1
        work = self._workspace(at or self.folder / f"work-{self._made}")
        for stage in stages:
            shutil.copytree(self.artifacts(self.whole) / stage, self.artifacts(work) / stage)
        return work

    def before(self, stage: str, at: Path | None = None) -> Workspace:
        """Return a new workspace with all that stands before a stage."""
        return self.workspace(*STAGE_NAMES[: STAGE_NAMES.index(stage)], at=at)

    @staticmethod
    def artifacts(work: Workspace) -> Path:
        """Return the folder that holds the recipe's artifacts."""
        return work.folder / "artifacts" / NAME

    def require_same(self, stage: str, work: Workspace, command: Command) -> None:
        """Check that a command that ended made the undisturbed artifact, and that nothing else is left.

        Raises:
            Fault: with what differs, or with what is left.
        """
        if command.returncode != 0:
            raise Fault(f"exit code {command.returncode}: {command.stderr[-2000:]}")
        different = self.differences(stage, work.folder / command.stdout.strip())
        if different:
            raise Fault(f"exit code 0, but {', '.join(different)} differ: {command.stderr[-2000:]}")
        left = left_behind(work.folder)
        if left:
            raise Fault(f"left behind: {', '.join(left)}")

    def differences(self, stage: str, artifact: Path) -> list[str]:
        """Return the names of the files and facts in an artifact that are not those of the undisturbed one."""
        try:
            found, wanted = payload(artifact), self.results[stage]
        except Exception as error:  # of a damaged file, nobody knows what reading it raises
            return [f"what cannot be read ({error})"]
        return [name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name)]

    def _workspace(self, folder: Path) -> Workspace:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(RECIPE)
        (folder / "tmp").mkdir(exist_ok=True)
        variables: dict[str, str | Path] = {"XDG_CACHE_HOME": folder / "cache", "TMPDIR": folder / "tmp"}
        return Workspace(folder, self.server, variables)


@contextlib.contextmanager
def open_lab(folder: Path | None = None) -> Iterator[Lab]:
    """Make a lab in a folder of its own, which is gone afterwards."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spirl-torture-")))
        streams = folder / "streams"
        streams.mkdir(parents=True, exist_ok=True)
        server = WarmServer(streams, cli_environment())
        stack.callback(server.close)
        yield Lab(folder, server)


def left_behind(folder: Path) -> list[str]:
    """Return what a command that ended well may not leave below a folder."""
    found = {path for pattern in LEFT_OVERS for path in folder.rglob(pattern)}
    return sorted(path.relative_to(folder).as_posix() for path in found)


def shared_memory() -> set[str]:
    """Return the names in the system's shared memory, as far as it shows them."""
    return {path.name for path in _SHARED_MEMORY.iterdir()} if _SHARED_MEMORY.is_dir() else set()
