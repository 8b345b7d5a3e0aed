"""Each vendor's own files, read back with the vendor's own library; a vendor that is not installed is skipped."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from spirl_cli.monitor.metrics import MetricsLog
from spirl_cli.tracking.session import Tracking
from spirl_cli.tracking.tracker import TrackedRun
from tests.support.commands import CHECKOUT, cli_environment, run_python
from tests.support.reporters import Recorder

PARAMETERS = {"train_rl.steps": 600, "env.order": [1, 2], "train_rl.regularizer": "prior"}
LABELS = {"recipe": "swing", "stage": "agent", "seed": "3"}
RUN = TrackedRun("swing/agent", "abcdef123456", PARAMETERS, LABELS)
CURVE = {100: 1.5, 200: 0.75, 300: 0.375, 400: 0.1875}

READER = '''
import json, struct
from pathlib import Path
from wandb.proto.wandb_internal_pb2 import Record

def records(data):
    """Yield the records of LevelDB's log format, in blocks of 32 KiB; seven bytes stand before the first."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(whole)
            whole = b""

found = {"ids": [], "rows": {}, "config": {}, "summary": {}}
for path in files:
    for record in records(Path(path).read_bytes()):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["ids"].append(record.run.run_id)
            found["config"].update({item.key: item.value_json for item in record.run.config.update})
        if kind == "history":
            row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            if "train/loss" in row:
                found["rows"][row["_step"]] = row["train/loss"]
        if kind == "summary":
            for item in record.summary.update:
                found["summary"][item.key or "/".join(item.nested_key)] = item.value_json
print(json.dumps(found))
'''

Tracked = Callable[[str], Path]


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


@pytest.fixture
def tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracked:
    """Return what tracks a run in two sessions, the second of which makes the artifact."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "PYTHONPATH": cli_environment()["PYTHONPATH"],
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(tmp_path),
        "WANDB_CONFIG_DIR": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
    }.items():
        monkeypatch.setenv(name, value)

    def track(name: str) -> Path:
        folder, recorder = tmp_path / "run-abcdef123456", Recorder()
        for steps, made in (((100, 200), False), ((300, 400), True)):
            with Tracking((name,), RUN, folder, recorder, patience=200.0) as tracking:
                log = MetricsLog(folder)
                for step in steps:
                    log.append(step, {"train/loss": CURVE[step]})
                log.close()
                if made:
                    tracking.made("swing/agent@v1", folder, {"return": -12.5})
        assert recorder.warnings == []
        return tmp_path

    return track


def test_tensorboard_shows_one_curve(tracked: Tracked) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (tracked("tensorboard") / "tensorboard/swing/agent").iterdir()
    shown = EventAccumulator(str(folder)).Reload()
    assert {event.step: event.value for event in shown.Scalars("train/loss")} == CURVE
    texts = {
        tag: shown.Tensors(tag)[-1].tensor_proto.string_val[0].decode() for tag in ("parameters", "run", "artifact")
    }
    assert "| train_rl.steps | 600 |" in texts["parameters"] and "| seed | 3 |" in texts["run"]
    assert texts["artifact"].startswith("swing/agent@v1") and "| return | -12.5 |" in texts["artifact"]


@needs("wandb")
def test_wandb_offline_keeps_one_run(tracked: Tracked) -> None:
    files = sorted((tracked("wandb") / "wandb").glob("offline-run-*/run-*.wandb"))
    code = f"files = {[str(path) for path in files]!r}\n{READER}"
    found = json.loads(run_python(code, CHECKOUT).stdout)
    assert len(files) == 2 and len(set(found["ids"])) == 1
    assert found["rows"] == {str(step): value for step, value in CURVE.items()}
    assert found["config"]["train_rl.steps"] == "600" and found["config"]["run.seed"] == '"3"'
    assert found["summary"]["artifact"] == '"swing/agent@v1"' and found["summary"]["return"] == "-12.5"


@needs("mlflow")
def test_mlflow_keeps_one_run(tracked: Tracked) -> None:
    pytest.importorskip("sqlalchemy")
    address = f"sqlite:///{tracked('mlflow')}/mlflow.db"
    code = f"""
import json
from mlflow import MlflowClient
client = MlflowClient({address!r})
(run,) = client.search_runs([client.get_experiment_by_name("spirl").experiment_id])
history = client.get_metric_history(run.info.run_id, "train/loss")
print(json.dumps({{
    "rows": [[one.step, one.value] for one in history], "params": run.data.params, "tags": run.data.tags,
    "metrics": run.data.metrics, "status": run.info.status,
}}))
"""
    found = json.loads(run_python(code).stdout)
    assert found["rows"] == [[step, value] for step, value in CURVE.items()] and found["status"] == "FINISHED"
    assert found["params"] == {key: str(value) for key, value in PARAMETERS.items()}
    assert found["tags"]["spirl.artifact"] == "swing/agent@v1" and found["tags"]["spirl.seed"] == "3"
    assert found["metrics"]["artifact/return"] == -12.5


@needs("trackio")
def test_trackio_keeps_one_run(tracked: Tracked) -> None:
    with contextlib.closing(sqlite3.connect(tracked("trackio") / "trackio/spirl.db")) as database:
        rows = [(step, json.loads(text)) for step, text in database.execute("SELECT step, metrics FROM metrics")]
        (run_ids,) = database.execute("SELECT COUNT(DISTINCT run_id) FROM metrics").fetchone()
        ((config,),) = database.execute("SELECT config FROM configs").fetchall()
    assert run_ids == 1 and {step: row["train/loss"] for step, row in rows if "train/loss" in row} == CURVE
    assert any(row.get("artifact") == "swing/agent@v1" and row.get("return") == -12.5 for _, row in rows)
    assert json.loads(config)["train_rl.steps"] == 600 and json.loads(config)["run.seed"] == "3"
