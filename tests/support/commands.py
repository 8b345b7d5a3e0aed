"""The command line as a process of its own, and folders in which commands run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.warm import Command, WarmServer

CHECKOUT = Path(__file__).resolve().parents[2]
RunCli = Callable[..., "subprocess.CompletedProcess[str]"]
SWING = """\
# Swings a pendulum badly: every stage takes a second.
env: {kind: gymnasium, id: Pendulum-v1, episode_length: 40}
extract: {dataset: test/pendulum-v0}
train_skills:
  {horizon: 5, latent_dim: 2, iterations: 100, validate_every: 40, batch_size: 16, best_of: 2,
   encoder_width: 8, decoder_width: 8, decoder_depth: 1, augmentation: {state_noise: [{indices: ["0:3"], sigma: 0.02}]}}
train_prior: {iterations: 100, validate_every: 40, batch_size: 16, width: 8, depth: 1}
train_rl:
  {steps: 600, warmup_steps: 100, environments: 2, batch_size: 16, critic_width: 8, policy_width: 8, log_every: 100,
   snapshots: [400, 5000]}
evaluate: {episodes: 20, environments: 2, video_episodes: 0, bootstrap: 20}
"""


def cli_environment(**more: str | Path) -> dict[str, str]:
    """Return the environment for a subprocess: one thread, and this checkout importable."""
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    plain = {"PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"}
    return {**os.environ, **threads, **plain, **{name: str(value) for name, value in more.items()}}


def run_spirl(
    *arguments: str | Path,
    cwd: Path,
    timeout: float = 120.0,
    input: str | None = None,
    **environment: str | Path,
) -> subprocess.CompletedProcess[str]:
    """Run ``spirl *arguments`` to its end; keyword arguments in capitals are environment variables."""
    return subprocess.run(
        [sys.executable, "-m", "spirl_cli", *map(str, arguments)],
        cwd=cwd,
        env=cli_environment(**environment),
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def run_python(code: str, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own and check that it ends well."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, env=cli_environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


@dataclass
class Workspace:
    """A folder in which commands run, each a process of its own (see `tests/support/warm.py`)."""

    folder: Path
    server: WarmServer
    variables: dict[str, str | Path]

    def start(self, *arguments: str | Path, **environment: str | Path) -> Command:
        """Start ``spirl *arguments``; keyword arguments are environment variables."""
        return self.server.start(
            *arguments, cwd=self.folder, environment=cli_environment(**{**self.variables, **environment})
        )

    def spirl(self, *arguments: str | Path, code: int = 0, **environment: str | Path) -> Command:
        """Run a command to its end and check its exit code."""
        done = self.start(*arguments, **environment).wait()
        assert done.returncode == code, f"{arguments} exited with {done.returncode}: {done.stderr}"
        return done

    def artifact(self, *arguments: str | Path, **environment: str | Path) -> Path:
        """Run a command and return the path that it prints."""
        return self.folder / self.spirl(*arguments, **environment).stdout.strip()


MakeWorkspace = Callable[..., Workspace]
