"""Where a benchmark of sweeps works: a folder with a dataset, recipes and stores, and commands in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from spirl_cli.payload import CHECKPOINTS
from spirl_cli.store.store import Store

RECIPES = ("gymnasium", "maze")
EIGHT_CELLS = (*RECIPES, "--profile", "quick", "--seeds", "0-1", "--grid", "train_skills.latent_dim=2,4")
SIX_CELLS = ("gymnasium", "--profile", "quick", "--seeds", "0-2", "--grid", "train_skills.latent_dim=2,4")
_WEIGHTS = (".safetensors", ".csv")


@dataclass(frozen=True)
class Scene:
    """A folder in which commands run; one thread each, so that weights can be compared bit for bit."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of commands."""
        here = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        own = {"MINARI_DATASETS_PATH": str(self.folder / "minari"), "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        return {**os.environ, **own, **more}

    def prepare(self) -> None:
        """Make the folder, and the pendulum's dataset in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "minari").is_dir():
            command = [sys.executable, "-m", "spirl_cli.demos.pendulum"]
            subprocess.run(command, cwd=self.folder, env=self.environment(), check=True, stdout=subprocess.DEVNULL)

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        """Start `spirl *arguments`."""
        command = [sys.executable, "-m", "spirl_cli", *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment(**more), stdout=subprocess.DEVNULL)

    def seconds(self, *arguments: str, **more: str) -> float:
        """Run a command to its end; returns how long it took.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        began = time.monotonic()
        process = self.start(*arguments, **more)
        if process.wait() != 0:
            raise subprocess.CalledProcessError(process.returncode, ["spirl", *arguments])
        return time.monotonic() - began

    def answer(self, *arguments: str) -> Any:
        """Return what a command says with `--json`."""
        command = [sys.executable, "-m", "spirl_cli", *arguments, "--json"]
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def made(self, store: str) -> Made:
        """Return what is in a store."""
        artifacts = Store(self.folder / store).artifacts()
        kinds = [(artifact.manifest.stage, artifact.fingerprint) for artifact in artifacts]
        contents = {
            (artifact.manifest.stage, artifact.fingerprint, output.file): output.sha256
            for artifact in artifacts
            for output in artifact.manifest.outputs
            if output.file.endswith(_WEIGHTS) and not fnmatch(output.file, CHECKPOINTS)
        }
        return Made(len(artifacts), frozenset(kinds), contents)


@dataclass(frozen=True)
class Made:
    """Artifacts of a store: how many, their stages with fingerprints, and checksums of weights and numbers."""

    count: int
    fingerprints: frozenset[tuple[str, str]]
    contents: Mapping[tuple[str, str, str], str]

    def differences(self, other: Made) -> list[str]:
        """Return in which files two stores differ."""
        files = self.contents.keys() | other.contents.keys()
        return sorted("/".join(file) for file in files if self.contents.get(file) != other.contents.get(file))


def load() -> str:
    """Return the load of the machine, in words."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def store_of(name: str) -> Sequence[str]:
    """Return the arguments that name a store."""
    return ("--artifacts", name)
