"""The trackers of a stage while it runs: a process each, which can fail or hang without harm."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from spirl_cli.monitor.children import python_command
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.tracking.tracker import Made, TrackedRun
from spirl_cli.tracking.worker import Order

_PATIENCE = 30.0  # seconds that trackers get to finish after their stage


class Tracking:
    """Passes a stage's metrics to trackers, as a context manager around the stage.

    Each tracker gives at most one warning, and the stage goes on whatever happens to it.

    Args:
        names: of the trackers; with none it does nothing.
        run: what they are told.
        folder: of the run, with `metrics.csv`.
        fresh: forget what trackers know of earlier sessions.
        reporter: shows the warnings.
        patience: seconds that the trackers get at the end, all together.
    """

    def __init__(
        self,
        names: Sequence[str],
        run: TrackedRun,
        folder: Path,
        reporter: Reporter,
        *,
        fresh: bool = False,
        patience: float = _PATIENCE,
    ) -> None:
        self._orders = [Order(name, run, str(folder.resolve()), _memory(folder, name), fresh) for name in names]
        self._reporter = reporter
        self._patience = patience
        self._workers: list[_Worker] = []

    def __enter__(self) -> Tracking:
        for order in self._orders:
            try:
                self._workers.append(_Worker(order, self._reporter))
            except OSError as error:
                self._reporter.warn(_warning(order.name, str(error)))
        return self

    def made(self, reference: str, path: Path, metrics: Mapping[str, float]) -> None:
        """Tell the trackers what the run has become."""
        for worker in self._workers:
            worker.tell(json.dumps(asdict(Made(reference, str(path.resolve()), dict(metrics)))))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + self._patience
        try:
            for worker in self._workers:
                worker.close()
            for worker in self._workers:
                worker.wait(max(deadline - time.monotonic(), 0.0))
        finally:
            for worker in self._workers:
                worker.kill()


class _Worker:
    """The process of one tracker."""

    def __init__(self, order: Order, reporter: Reporter) -> None:
        self._name = order.name
        self._reporter = reporter
        self._warned = False
        self._process: subprocess.Popen[str] = subprocess.Popen(
            python_command("-m", "spirl_cli.tracking.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            process_group=0,  # a Ctrl-C is for the stage; the same session, so that its niceness counts beside it
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.tell(order.to_json())

    def tell(self, line: str) -> None:
        """Send a line; a process that has ended does not hear it."""
        with contextlib.suppress(OSError, ValueError):
            self._pipe(line)

    def close(self) -> None:
        """Say that the stage has ended."""
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        """Wait until everything is passed on; warns once where that fails."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._warn(f"it has not finished within {self._patience_text(seconds)}")
            return
        self._listener.join(1.0)
        if code != 0:
            self._warn(f"its process ended with code {code}")

    def kill(self) -> None:
        """End the process and those that it has started."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._listener.join(1.0)

    def _pipe(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream: Any = self._process.stdout
        with contextlib.suppress(OSError, ValueError):
            for line in stream:
                self._warn(line.strip())

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            self._reporter.warn(_warning(self._name, reason))

    @staticmethod
    def _patience_text(seconds: float) -> str:
        return f"{seconds:.0f} s" if seconds >= 1 else "the time that trackers get"


def _memory(folder: Path, name: str) -> str:
    """Return the file that remembers how far a tracker is; beside the run's folder, which becomes the artifact."""
    return str(folder.resolve().with_name(f".{folder.name}.{name}.json"))


def _warning(name: str, reason: str) -> str:
    return f"--track {name}: {reason}. The run goes on without it."
