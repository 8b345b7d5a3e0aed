"""The table of metrics and what TensorBoard shows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.monitor.metrics import MetricsLog


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
