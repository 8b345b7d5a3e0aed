"""Environments that hang: who is silent is said, a limit ends the wait, and a second signal ends it at once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from spirl_cli.envs import workers
from spirl_cli.envs.vector import make_vector
from spirl_cli.envs.workers import WorkerVector
from spirl_cli.errors import SpirlError
from spirl_cli.pipeline.graph import env_values
from spirl_cli.recipe.load import load_recipe
from tests.support.commands import SWING, MakeWorkspace
from tests.support.environments import HoldDecoder
from tests.support.odd_environments import Hanging, as_options, odd


def test_a_silent_worker_is_named_and_the_limit_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SILENT_SECONDS", 0.3)
    warnings: list[str] = []
    section = odd(Hanging, step_seconds=0.06)
    vector = make_vector(section, HoldDecoder(1, 13), 2, 0, warn=warnings.append)
    assert isinstance(vector, WorkerVector)
    vector.reset()
    warnings.clear()  # of workers that took their time to start
    with pytest.raises(SpirlError, match=r"worker 0 did not answer within 0\.84 s: its environment hangs") as hung:
        vector.step(vector.action_space.sample())  # type: ignore[arg-type]
    assert "env.step_seconds" in hung.value.hint
    process = vector.processes[0].pid
    assert warnings == [f"environment worker 0 (process {process}) has not answered for 0 s; still waiting for it"]
    begun = time.monotonic()
    vector.close()
    assert time.monotonic() - begun < workers.CLOSE_SECONDS - 1
    assert all(process.exitcode is not None for process in vector.processes)


def test_the_limit_is_no_part_of_what_decides_a_result(tmp_path: Path) -> None:
    recipe = tmp_path / "swing.yaml"
    recipe.write_text(SWING)
    one, other = (load_recipe(recipe, overrides=[f"env.step_seconds={limit}"]) for limit in ("null", "7"))
    assert one.env != other.env and env_values(one) == env_values(other)


def test_the_second_signal_ends_a_hanging_run_at_once(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    command = work.start("train-rl", "swing.yaml", *as_options(odd(Hanging)), SPIRL_CHECKPOINT_SECONDS="0")
    checkpoints = work.folder / "artifacts/swing/agent"
    assert command.wait_until(lambda: len(list(checkpoints.glob("run-*/checkpoint-*"))) == 2)
    time.sleep(0.3)  # into the step that hangs
    command.interrupt(signal.SIGINT)
    assert command.wait_until(lambda: "a second signal ends this at once" in command.stderr)
    begun = time.monotonic()
    os.killpg(command.pid, signal.SIGINT)
    command.wait_until(lambda: "\ninterrupted" in command.stderr)
    assert time.monotonic() - begun < workers.CLOSE_SECONDS - 0.5
    command.wait()
    assert (command.returncode, command.stdout) == (130, "")
    assert "Traceback" not in command.stderr


def test_a_run_that_hung_goes_on_from_its_checkpoint(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    limited = [*as_options(odd(Hanging)), "--set", "env.step_seconds=0.1"]
    hung = work.spirl("train-rl", "swing.yaml", *limited, code=1, SPIRL_CHECKPOINT_SECONDS="0")
    assert "did not answer within 0.6 s" in hung.stderr
    assert "resuming at" in work.spirl("train-rl", "swing.yaml", *limited, code=1).stderr
