"""The table of metrics and what TensorBoard shows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.errors import ArtifactError
from spirl_cli.monitor.metrics import MetricsLog
from tests.support.monitor_data import train
from tests.support.reporters import Recorder


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
    (path,) = (tmp_path / "tensorboard").glob("events*")
    assert path.name.removeprefix("events.out.tfevents.").isdigit()


@pytest.mark.parametrize("damage", [b"7", b"\0", b"\xff", b"\n", b"\r", b",", b'"'])
@pytest.mark.parametrize("place", [2, 9, 12, 17, 20])
def test_a_damaged_log_is_never_taken_for_a_sound_one(damage: bytes, place: int, tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    for step in (10, 20):
        log.append(step, {"loss": step / 8})
    digest = log.digest
    log.close()
    sound = log.path.read_bytes()
    damaged = sound[:place] + damage + sound[place + 1 :]
    log.path.write_bytes(damaged)
    if damaged == sound:
        MetricsLog(tmp_path).rewind(20, digest)
        return
    with pytest.raises(ArtifactError, match="damaged: its rows up to step 20"):
        MetricsLog(tmp_path).rewind(20, digest)
    assert log.path.read_bytes() == damaged  # nothing is thrown away


def test_a_run_with_a_damaged_log_is_refused_and_goes_on_without_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        train(tmp_path, stop_after=10)
    log = tmp_path / "metrics.csv"
    log.write_bytes(log.read_bytes().replace(b"\n6,", b"\n5,"))
    with pytest.raises(ArtifactError, match="damaged") as refused:
        train(tmp_path)
    assert "move it elsewhere" in refused.value.hint
    log.rename(tmp_path / "elsewhere.csv")
    reporter = Recorder()
    moved = train(tmp_path, reporter=reporter)
    assert any("rows up to step 10 are missing" in line for line in reporter.warnings)
    assert moved.average == train(tmp_path / "whole").average
