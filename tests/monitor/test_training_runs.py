"""Training runs: a run survives stops, signals, kills and damaged checkpoints."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from spirl_cli.errors import ArtifactError, DivergedError, Interrupted, UsageError
from spirl_cli.monitor.checkpoint import CheckpointFolder, State, read_state
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.monitor.metrics import MetricsLog
from tests.support.commands import CHECKOUT
from tests.support.monitor_data import Learner, assert_same, train, training_run
from tests.support.reporters import Recorder


def test_a_stopped_run_goes_on_exactly(tmp_path: Path) -> None:
    expected = train(tmp_path / "whole")
    for stop_after in (4, 11):
        with pytest.raises(ZeroDivisionError):
            train(tmp_path / "stopped", stop_after=stop_after)
    resumed = train(tmp_path / "stopped")
    assert_same(resumed.state(tmp_path), expected.state(tmp_path))
    whole, stopped = (tmp_path / name / "metrics.csv" for name in ("whole", "stopped"))
    assert whole.read_bytes() == stopped.read_bytes()


def test_work_after_the_last_checkpoint_is_done_again_exactly(tmp_path: Path) -> None:
    expected = train(tmp_path / "whole")
    folder = tmp_path / "stopped"
    with pytest.raises(ZeroDivisionError):
        train(folder, stop_after=5)
    with pytest.raises(ZeroDivisionError):  # these ten steps leave rows but no checkpoint
        train(folder, stop_after=15, checkpoint_seconds=1e9)
    assert MetricsLog(folder).rows()[-1]["step"] == 15
    assert_same(train(folder).state(tmp_path), expected.state(tmp_path))
    assert (folder / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def test_resuming_says_so_and_counts_the_time_of_all_sessions(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        train(tmp_path, stop_after=7)
    recorder, learner = Recorder(), Learner()
    with training_run(tmp_path, learner, reporter=recorder) as run:
        assert run.step == 7
        assert run.seconds > 0
    [message] = recorder.messages
    assert message.startswith("train-toy: resuming at 7 of 20 iterations, after 0:")


def test_a_finished_run_resumes_at_its_end(tmp_path: Path) -> None:
    finished = train(tmp_path, checkpoint_seconds=1e9)
    learner = Learner()
    with training_run(tmp_path, learner) as run:
        assert run.step == 20
    assert_same(learner.state(tmp_path), finished.state(tmp_path))


def test_a_damaged_newest_checkpoint_costs_only_time(tmp_path: Path) -> None:
    expected = train(tmp_path / "whole")
    folder = tmp_path / "stopped"
    with pytest.raises(ZeroDivisionError):
        train(folder, stop_after=9)
    (folder / "checkpoint-9.safetensors").write_bytes(b"half")
    recorder = Recorder()
    resumed = train(folder, reporter=recorder)
    assert "checkpoint-9" in recorder.warnings[0] and "resuming at 8" in recorder.messages[0]
    assert_same(resumed.state(tmp_path), expected.state(tmp_path))


def test_a_checkpoint_whose_side_files_are_damaged_is_passed_over(tmp_path: Path) -> None:
    class Picky(Learner):
        def restore(self, state: State, folder: Path) -> None:
            super().restore(state, folder)
            if state.scalars["average"] == newest:
                raise ArtifactError("replay/segment-3.h5 is corrupt.")

    with pytest.raises(ZeroDivisionError):
        train(tmp_path, stop_after=9)
    newest = read_state(tmp_path / "checkpoint-9.safetensors").scalars["average"]
    recorder = Recorder()
    with training_run(tmp_path, Picky(), reporter=recorder) as run:
        assert run.step == 8
    assert "segment-3.h5" in recorder.warnings[0]


def test_nothing_usable_is_an_error_and_not_a_silent_fresh_start(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        train(tmp_path, stop_after=9)
    for path in tmp_path.glob("checkpoint-*"):
        path.write_bytes(b"half")
    with pytest.raises(ArtifactError) as caught:
        train(tmp_path)
    assert "--no-resume" in caught.value.hint


def test_no_resume_starts_anew_and_leaves_nothing_of_the_old_run(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        train(tmp_path, stop_after=9)
    with training_run(tmp_path, Learner(), resume=False) as run:
        assert run.step == 0
        assert run.metrics.rows() == []
        run.tick(1)
    assert CheckpointFolder(tmp_path).steps() == [1]


def test_a_non_finite_metric_stops_before_a_checkpoint(tmp_path: Path) -> None:
    learner = Learner()
    with pytest.raises(DivergedError, match="'kl' is nan") as caught, training_run(tmp_path, learner) as run:
        run.tick(1, {"loss": 1.0})
        run.tick(2, {"loss": 1.0, "kl": float("nan")})
    assert "2 of 20 iterations" in caught.value.message
    assert CheckpointFolder(tmp_path).steps() == [1]


def test_non_finite_weights_are_named_and_never_saved(tmp_path: Path) -> None:
    learner = Learner()
    with pytest.raises(DivergedError, match=r"'model/0\.weight'"), training_run(tmp_path, learner) as run:
        run.tick(1)
        with torch.no_grad():
            next(learner.model.parameters())[0, 0] = float("inf")
        run.tick(2)
    assert CheckpointFolder(tmp_path).steps() == [1]
    latest = CheckpointFolder(tmp_path).latest()
    assert latest is not None and all(bool(torch.isfinite(tensor).all()) for tensor in latest[1].tensors.values())


def test_the_last_step_is_checked_and_saved_whatever_the_clock_says(tmp_path: Path) -> None:
    train(tmp_path, checkpoint_seconds=1e9)
    assert CheckpointFolder(tmp_path).steps() == [20]


def test_the_checkpoint_interval_can_be_set_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIRL_CHECKPOINT_SECONDS", "1e9")
    train(tmp_path)
    assert CheckpointFolder(tmp_path).steps() == [20]
    monkeypatch.setenv("SPIRL_CHECKPOINT_SECONDS", "soon")
    with pytest.raises(UsageError, match="'soon'"):
        train(tmp_path)


# ---- interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_exactly(tmp_path: Path, number: signal.Signals) -> None:
    handler, learner = signal.getsignal(number), Learner()
    with (
        pytest.raises(Interrupted, match="saved at 6 of 20") as caught,
        training_run(tmp_path / "stopped", learner, checkpoint_seconds=1e9) as run,
    ):
        for step in range(20):
            if step == 5:
                os.kill(os.getpid(), number)
            loss = learner.update()
            run.tick(step + 1, {"loss": loss} if (step + 1) % 3 == 0 else None)
    assert caught.value.exit_code == 130 and "resume" in caught.value.hint
    assert signal.getsignal(number) is handler
    assert CheckpointFolder(tmp_path / "stopped").steps() == [6]
    assert_same(train(tmp_path / "stopped").state(tmp_path), train(tmp_path / "whole").state(tmp_path))


def test_a_signal_after_the_last_tick_is_not_lost(tmp_path: Path) -> None:
    with pytest.raises(Interrupted), training_run(tmp_path, Learner(), checkpoint_seconds=1e9) as run:
        run.tick(1)
        os.kill(os.getpid(), signal.SIGTERM)
    assert CheckpointFolder(tmp_path).steps() == [1]


def test_a_second_signal_acts_at_once() -> None:
    # a shell starts background jobs with SIGINT ignored, and so might these tests have been started
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.requested
        os.kill(os.getpid(), signal.SIGINT)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {checkout!r})
from tests.support.commands import CHECKOUT
from tests.support.monitor_data import train
train(Path({folder!r}), total=200)
"""


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_the_same(tmp_path: Path) -> None:
    folder, expected = tmp_path / "killed", train(tmp_path / "whole", total=200, checkpoint_seconds=1e9)
    script = KILLED.format(checkout=str(CHECKOUT), folder=str(folder))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    chance, checkpoints, kills = random.Random(0), CheckpointFolder(folder), 0
    while kills < 3 and (not checkpoints.steps() or checkpoints.steps()[-1] < 200):
        reached = checkpoints.steps()
        process = subprocess.Popen([sys.executable, "-c", script], env=environment)
        while process.poll() is None and checkpoints.steps() == reached:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        process.kill()  # SIGKILL, also between the steps of writing a checkpoint
        assert process.wait() == -signal.SIGKILL
        kills += 1
    assert kills == 3
    assert_same(train(folder, total=200).state(tmp_path), expected.state(tmp_path))
    assert (folder / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
