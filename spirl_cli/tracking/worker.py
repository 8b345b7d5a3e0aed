"""The process of one tracker: it reads `metrics.csv` of a running stage and passes the rows on.

The stage and this process share no more than a pipe: one line of JSON at the start, another one when there is an
artifact, and the end of the stream when the stage has ended. What this process prints is shown as a warning.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spirl_cli.files import write_whole
from spirl_cli.monitor.children import WORKER_NICENESS
from spirl_cli.monitor.metrics import STEP, metric_rows
from spirl_cli.monitor.signals import SIGNALS
from spirl_cli.tracking.registry import make_tracker
from spirl_cli.tracking.tracker import Made, TrackedRun, Tracker

_POLL = 2.0  # seconds
_EARLIER_SESSION = 60.0  # seconds to wait for the process of an earlier session, which may still be writing
# vendors would report on the use of their library
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "WANDB_ERROR_REPORTING": "false"}


@dataclass(frozen=True)
class Order:
    """What a tracker's process has to do.

    Attributes:
        name: of the tracker.
        run: what it is told.
        folder: of the run, with `metrics.csv`.
        memory: the file that remembers, between sessions, how far the tracker is.
        fresh: the run starts anew, whatever an earlier session did.
    """

    name: str
    run: TrackedRun
    folder: str
    memory: str
    fresh: bool

    def to_json(self) -> str:
        """Write the order on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Order:
        """Read an order."""
        content = json.loads(line)
        return cls(**{**content, "run": TrackedRun(**content["run"])})


class _Stream:
    """What arrives from the stage after the order: at most one artifact, then the end."""

    def __init__(self) -> None:
        self.made: Made | None = None
        self.closed = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in sys.stdin:
                self.made = Made(**json.loads(line))
        self.closed.set()


class _Memory:
    """How far a tracker is: what finds its run again, and the step of the last row that it has."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self._path = path
        self.known: str | None = None
        self.step = -1
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            content: dict[str, Any] = {} if fresh else json.loads(path.read_bytes())
            self.known, self.step = str(content["known"]), int(content["step"])

    def save(self) -> None:
        write_whole(self._path, (json.dumps({"known": self.known, "step": self.step}) + "\n").encode())

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def main() -> None:
    """Track one run; whatever goes wrong is one line, and the exit code is 0."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the stage decides when this ends
    os.nice(WORKER_NICENESS)
    order = Order.from_json(sys.stdin.readline())
    stream = _Stream()
    answer = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)  # vendors print a lot
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        _track(order, stream)
    except ImportError as error:
        print(f"{error}; `pip install 'spirl[{order.name}]'` installs it", file=answer, flush=True)
    except BaseException as error:
        print(" ".join(f"{type(error).__name__}: {error}".split())[:500], file=answer, flush=True)
    os._exit(0)  # without what a vendor's library may still do, and wait for, at the end


def _track(order: Order, stream: _Stream) -> None:
    from filelock import FileLock

    path = Path(order.memory)
    with FileLock(path.with_suffix(".lock"), timeout=_EARLIER_SESSION):
        tracker = make_tracker(order.name)
        memory = _Memory(path, fresh=order.fresh)
        memory.known = tracker.begin(order.run, memory.known)
        memory.save()
        ended = False
        while not ended:
            ended = stream.closed.wait(_POLL)  # asked before the rows are read, so that none is missed
            _pass_on(Path(order.folder if stream.made is None else stream.made.path), tracker, memory)
        tracker.end(stream.made)
        if stream.made is not None:
            memory.forget()


def _pass_on(folder: Path, tracker: Tracker, memory: _Memory) -> None:
    """Log the rows that the tracker does not have yet."""
    rows = [row for row in metric_rows(folder) if row[STEP] > memory.step]
    for row in rows:
        tracker.log(int(row[STEP]), {name: value for name, value in row.items() if name != STEP})
        memory.step = int(row[STEP])
    if rows:
        memory.save()


if __name__ == "__main__":
    main()
