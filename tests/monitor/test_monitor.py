"""Checkpoints, interrupts, metrics and progress: a run survives whatever happens to it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spirl_cli.errors import ArtifactError, DivergedError, Interrupted, SpirlError, UsageError
from spirl_cli.monitor.checkpoint import CheckpointFolder, State, merge, read_state, write_state
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.monitor.metrics import MetricsLog
from spirl_cli.monitor.packing import (
    pack_generator,
    pack_module,
    pack_numpy_generator,
    pack_optimizer,
    unpack_generator,
    unpack_module,
    unpack_numpy_generator,
    unpack_optimizer,
)
from spirl_cli.monitor.progress import LineBar, duration
from spirl_cli.monitor.reporter import RichReporter, SilentReporter
from spirl_cli.monitor.training_run import TrainingRun


class Learner:
    """A small training loop with every kind of state that the stages have."""

    def __init__(self, seed: int = 0) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1))
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-2)
        self.noise = torch.Generator().manual_seed(seed)
        self.batches = np.random.default_rng(seed)
        self.average = 0.0

    def update(self) -> float:
        inputs = torch.as_tensor(self.batches.normal(size=(16, 3)), dtype=torch.float32)
        targets = inputs.sum(1, keepdim=True) + 0.1 * torch.randn(16, 1, generator=self.noise)
        loss = torch.nn.functional.mse_loss(self.model(inputs), targets)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.average = 0.9 * self.average + 0.1 * loss.item()
        return loss.item()

    def state(self, folder: Path) -> State:
        return merge(
            pack_module(self.model, "model"),
            pack_optimizer(self.optimizer, "optimizer"),
            pack_generator(self.noise, "noise"),
            pack_numpy_generator(self.batches, "batches"),
            State(scalars={"average": self.average}),
        )

    def restore(self, state: State, folder: Path) -> None:
        unpack_module(self.model, "model", state)
        unpack_optimizer(self.optimizer, "optimizer", state)
        unpack_generator(self.noise, "noise", state)
        unpack_numpy_generator(self.batches, "batches", state)
        self.average = state.scalars["average"]


def training_run(folder: Path, learner: Any, total: int = 20, **changes: Any) -> TrainingRun:
    options: dict[str, Any] = {
        "unit": "iterations",
        "description": "train-toy",
        "reporter": SilentReporter(),
        "checkpoint_seconds": 0.0,
    }
    return TrainingRun(folder, learner, total=total, **(options | changes))


def train(folder: Path, total: int = 20, stop_after: int | None = None, **changes: Any) -> Learner:
    """Train to ``total``, or fall over after ``stop_after`` steps."""
    learner = Learner()
    with training_run(folder, learner, total, **changes) as run:
        for step in range(run.step, total):
            loss = learner.update()
            run.tick(step + 1, {"loss": loss} if (step + 1) % 3 == 0 else None)
            if step + 1 == stop_after:
                raise ZeroDivisionError
    return learner


def assert_same(one: State, other: State) -> None:
    assert one.scalars == other.scalars
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        assert tensor.dtype == other.tensors[name].dtype
        assert torch.equal(tensor, other.tensors[name]), name


class Recorder(SilentReporter):
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.warnings: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


# ---- states and checkpoints


def awkward_state() -> State:
    shared = torch.arange(6, dtype=torch.float32)
    return State(
        tensors={
            "whole": shared,
            "part": shared[2:4],
            "transposed": torch.arange(6).reshape(2, 3).T,
            "scalar": torch.tensor(1e-40, dtype=torch.float64),
            "empty": torch.zeros(0, 4),
            "flags": torch.tensor([True, False]),
            "half": torch.tensor([1.5], dtype=torch.bfloat16),
        },
        scalars={"big": 2**127 + 1, "third": 1 / 3, "best": float("inf"), "nested": {"a": [1, None, "ü", True]}},
    )


def test_a_state_reads_back_exactly(tmp_path: Path) -> None:
    write_state(tmp_path / "state", awkward_state())
    assert_same(read_state(tmp_path / "state"), awkward_state())


def test_equal_states_are_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_state(tmp_path / name, awkward_state())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, np.float32(1), np.zeros(2), {"deep": [{1}]}])
def test_scalars_that_json_would_change_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(TypeError, match=r"scalars\.odd"):
        write_state(tmp_path / "state", State(scalars={"odd": value}))
    assert list(tmp_path.iterdir()) == []


def test_merging_parts_that_share_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'a'"):
        merge(State(scalars={"a": 1}), State(scalars={"a": 1}))


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "foreign", "missing"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state"
    write_state(path, awkward_state())
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-9] ^= 1
    path.write_bytes(
        {"truncate": bytes(content[:-5]), "empty": b"", "foreign": b"hello" * 9}.get(damage, bytes(content))
    )
    if damage == "missing":
        path.unlink()
    with pytest.raises(ArtifactError, match=str(path)):
        read_state(path)


def test_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "run", keep=2)
    assert folder.latest() is None
    for step in (9, 10, 100):
        folder.save(State(scalars={"step": step}), step)
    assert folder.steps() == [10, 100]
    latest = folder.latest()
    assert latest is not None and latest[0] == 100 and latest[1].scalars == {"step": 100}


def test_a_corrupt_newest_checkpoint_is_skipped_with_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    folder = CheckpointFolder(tmp_path, warn=warnings.append)
    folder.save(State(scalars={"step": 1}), 1)
    folder.save(State(scalars={"step": 2}), 2).write_bytes(b"half")
    latest = folder.latest()
    assert latest is not None and latest[0] == 1
    assert len(warnings) == 1 and "checkpoint-2.safetensors" in warnings[0]


@pytest.mark.parametrize("operation", ["replace", "fsync"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_failing_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, nth: int
) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(State(scalars={"step": 1}), 1)
    folder.save(State(scalars={"step": 2}), 2)
    calls, real = [0], getattr(os, operation)

    def failing(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, operation, failing)
    try:
        folder.save(State(scalars={"step": 3}), 3)
    except SpirlError as error:
        assert "No space left" in error.message
    latest = folder.latest()
    assert latest is not None and latest[0] in (2, 3) and latest[1].scalars == {"step": latest[0]}
    assert not list(tmp_path.glob(".*"))


# ---- packing


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RAdam, torch.optim.SGD, torch.optim.AdamW])
def test_training_goes_on_exactly_from_packed_parts(tmp_path: Path, kind: type[torch.optim.Optimizer]) -> None:
    def learner() -> Learner:
        made = Learner()
        made.optimizer = kind(made.model.parameters(), lr=3e-3)  # type: ignore[call-arg]
        return made

    original, copy = learner(), learner()
    for _ in range(3):
        original.update()
    original.optimizer.param_groups[0]["lr"] = 1e-3
    write_state(tmp_path / "state", original.state(tmp_path))
    copy.restore(read_state(tmp_path / "state"), tmp_path)
    assert [original.update() for _ in range(5)] == [copy.update() for _ in range(5)]
    assert_same(original.state(tmp_path), copy.state(tmp_path))
    assert type(copy.optimizer.param_groups[0].get("betas")) is type(original.optimizer.param_groups[0].get("betas"))


def test_a_packed_state_does_not_follow_later_updates(tmp_path: Path) -> None:
    learner = Learner()
    learner.update()
    before, again = learner.state(tmp_path), learner.state(tmp_path)
    restored = Learner()
    restored.restore(before, tmp_path)
    learner.update()
    restored.update()
    assert_same(before, again)


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_numpy_generators_go_on_exactly(tmp_path: Path, kind: type[np.random.BitGenerator]) -> None:
    original, copy = np.random.Generator(kind(1)), np.random.Generator(kind(2))
    original.integers(3, size=5, dtype=np.uint8)  # leaves a half used word behind
    write_state(tmp_path / "state", pack_numpy_generator(original, "rng"))
    unpack_numpy_generator(copy, "rng", read_state(tmp_path / "state"))
    assert original.integers(9, size=7, dtype=np.uint8).tolist() == copy.integers(9, size=7, dtype=np.uint8).tolist()
    assert original.normal(size=5).tolist() == copy.normal(size=5).tolist()


def test_the_global_torch_generator_can_be_packed() -> None:
    torch.randn(3)
    state = pack_generator(torch.default_generator, "torch")
    expected = torch.randn(5)
    unpack_generator(torch.default_generator, "torch", state)
    assert torch.equal(torch.randn(5), expected)


def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    state, other = Learner().state(tmp_path), Learner()
    with pytest.raises(ArtifactError, match="'model'"):
        unpack_module(torch.nn.Linear(3, 9), "model", state)
    with pytest.raises(ArtifactError, match="Adam, not of a SGD"):
        unpack_optimizer(torch.optim.SGD(other.model.parameters()), "optimizer", state)
    with pytest.raises(ArtifactError, match="'optimizer'"):
        unpack_optimizer(torch.optim.Adam(torch.nn.Linear(3, 9).parameters()), "optimizer", state)
    with pytest.raises(ArtifactError, match="PCG64, not SFC64"):
        unpack_numpy_generator(np.random.Generator(np.random.SFC64()), "batches", state)
    with pytest.raises(ArtifactError, match="'elsewhere'"):
        unpack_generator(torch.Generator(), "elsewhere", state)


# ---- training runs


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
sys.path.insert(0, {tests!r})
import test_monitor
test_monitor.train(Path({folder!r}), total=200)
"""


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_the_same(tmp_path: Path) -> None:
    folder, expected = tmp_path / "killed", train(tmp_path / "whole", total=200, checkpoint_seconds=1e9)
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
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


# ---- metrics


def test_metrics_read_back_exactly_with_gaps(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    log.append(1, {"loss": 1 / 3})
    log.append(2, {"kl, nats": 1e-300, "loss": 2.0})
    log.append(3, {"kl, nats": 4.0})
    log.close()
    assert (tmp_path / "metrics.csv").read_text().splitlines()[0] == 'step,loss,"kl, nats"'
    expected = [{"step": 1, "loss": 1 / 3}, {"step": 2, "kl, nats": 1e-300, "loss": 2.0}, {"step": 3, "kl, nats": 4.0}]
    assert MetricsLog(tmp_path).rows() == expected


def test_rewinding_forgets_later_and_half_written_rows(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    for step in (10, 20, 30):
        log.append(step, {"loss": float(step)})
    log.close()
    with log.path.open("a") as file:
        file.write("1,0.1")  # what a crash leaves of "100,0.123"
    log.rewind(20)
    log.append(25, {"loss": 25.0})
    assert [row["step"] for row in log.rows()] == [10, 20, 25]


def test_a_metric_cannot_take_the_name_of_the_step(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="step"):
        MetricsLog(tmp_path).append(1, {"step": 2.0})


def test_tensorboard_shows_what_the_table_says(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = MetricsLog(tmp_path)
    log.rewind(-1)
    for step in (10, 20, 30):
        log.append(step, {"loss": step / 10})
    log.rewind(20)
    log.append(25, {"loss": 9.0})
    log.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(10, 1.0), (20, 2.0), (25, 9.0)]


def test_shared_event_files_do_not_tell_the_name_of_the_machine(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    log.append(1, {"loss": 1.0})
    log.close()
    (path,) = (tmp_path / "tensorboard").iterdir()
    assert path.name.removeprefix("events.out.tfevents.").isdigit()


# ---- reporter


def test_progress_in_a_log_file_is_a_line_now_and_then() -> None:
    lines: list[str] = []
    now = [0.0]
    with LineBar(lines.append, "train", 1000, "iterations", start=100, clock=lambda: now[0]) as bar:
        for done in range(101, 601):
            now[0] += 0.05
            bar.update(done, "loss 0.5")
    assert lines[0].startswith("train: 101/1,000 iterations (10%)")
    assert lines[1:] == [
        "train: 301/1,000 iterations (30%), 20/s, 0:35 left, loss 0.5",
        "train: 501/1,000 iterations (50%), 20/s, 0:25 left, loss 0.5",
        "train: 600/1,000 iterations (60%), 20/s, 0:20 left, loss 0.5",
    ]


def test_durations_are_readable() -> None:
    assert [duration(seconds) for seconds in (0, 59.6, 3599, 3661)] == ["0:00", "1:00", "59:59", "1:01:01"]


def test_the_reporter_leaves_stdout_alone_and_logs_plainly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    reporter = RichReporter()
    reporter.message("[bold] is no markup " + "x" * 300)
    reporter.warn("careful")
    reporter.table("Result", [{"policy": "mean", "return": 2.34567}, {"policy": "sampled", "episodes": 100}])
    with reporter.progress("extract", None, "episodes") as bar:
        bar.update(3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "\x1b" not in captured.err
    lines = captured.err.splitlines()
    assert lines[0] == "[bold] is no markup " + "x" * 300
    assert lines[1] == "warning: careful"
    assert "2.346" in captured.err and "extract: 3 episodes" in captured.err


def test_the_live_bar_keeps_messages_and_stdout_whole() -> None:
    pty = pytest.importorskip("pty")
    program = (
        "from spirl_cli.monitor.reporter import RichReporter\n"
        "reporter = RichReporter()\n"
        "with reporter.progress('train', 10, 'iterations') as bar:\n"
        "    bar.update(5, 'loss 0.1')\n"
        "    reporter.message('between')\n"
        "    print('result')\n"
    )
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120"}
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=theirs, env=environment)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0 and done.stdout == b"result\n"
    assert "between" in shown and "5/10 iterations" in shown and "loss 0.1" in shown
