"""Progress and messages, on a terminal and in a log file."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from spirl_cli.monitor.progress import LineBar, duration
from spirl_cli.monitor.reporter import RichReporter


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
