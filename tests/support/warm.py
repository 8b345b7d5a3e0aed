"""Commands as processes of their own, without the seconds that importing torch takes each time.

A *server* process imports the heavy packages once and forks for every command. The child sets its
arguments, streams, folder and environment, and enters `spirl_cli.cli.app.main` like any other
`spirl`; it leads a process group, so that it can be interrupted as a terminal would do it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 300.0  # seconds; only a hanging command takes as long


@dataclass
class Command:
    """A running or finished `spirl`; `wait` fills in the rest."""

    server: WarmServer
    pid: int
    streams: tuple[Path, Path]
    returncode: int | None = None

    @property
    def stdout(self) -> str:
        """Return what the command has printed so far."""
        return self.streams[0].read_text()

    @property
    def stderr(self) -> str:
        """Return what the command has said on stderr so far."""
        return self.streams[1].read_text()

    def running(self) -> bool:
        """Tell whether the command still runs, and note its exit code if it does not."""
        if self.returncode is None:
            self.returncode = self.server.ask(poll=self.pid)
        return self.returncode is None

    def wait(self) -> Command:
        """Wait for the end of the command."""
        self.wait_until(lambda: False)
        return self

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Wait until something is so, or the command has ended; tell whether it is still running."""
        deadline = time.monotonic() + PATIENCE
        while self.running():
            if condition():
                return True
            if time.monotonic() > deadline:
                self.interrupt(signal.SIGKILL)
                raise AssertionError(f"the command hangs: {self.stderr}")
            time.sleep(0.005)
        return False

    def interrupt(self, number: signal.Signals) -> None:
        """Send a signal to the command and, except SIGKILL, to its workers, as a terminal does."""
        if number is signal.SIGKILL:
            os.kill(self.pid, number)
        else:
            os.killpg(self.pid, number)


class WarmServer:
    """Starts commands; a context manager that ends with all of them."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    @property
    def pid(self) -> int:
        """The process from which commands inherit their limits."""
        return self._process.pid

    def start(self, *arguments: str | Path, cwd: Path, environment: dict[str, str]) -> Command:
        """Start ``spirl *arguments`` in a folder."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        streams = (folder / "stdout", folder / "stderr")
        for stream in streams:
            stream.touch()
        pid = self.ask(
            arguments=[str(argument) for argument in arguments],
            cwd=str(cwd),
            environment=environment,
            streams=[str(stream) for stream in streams],
        )
        return Command(self, pid, streams)

    def ask(self, **request: Any) -> Any:
        """Send a request to the server and return its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the server and all of its commands."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


def serve() -> None:
    """Answer requests on stdin, one JSON value a line, until it is closed."""
    import gymnasium  # noqa: F401
    import h5py  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import torch
    import torch._dynamo  # making an optimiser imports it

    import spirl_cli.cli.app
    import spirl_cli.pipeline.execute
    import spirl_cli.stages.evaluate
    import spirl_cli.stages.extract
    import spirl_cli.stages.train_rl
    import spirl_cli.stages.train_skills  # noqa: F401

    torch.set_num_threads(1)
    running: set[int] = set()
    while line := sys.stdin.readline():
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            running.discard(pid)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                return become(**request)
            running.add(answer)
        print(json.dumps(answer), flush=True)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)  # taking torch apart would take a while


def become(arguments: list[str], cwd: str, environment: dict[str, str], streams: list[str]) -> None:
    """Turn this forked process into a command."""
    os.setsid()
    for number, path in enumerate([os.devnull, *streams]):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["spirl", *arguments]

    from spirl_cli.cli.app import main

    main()


if __name__ == "__main__":
    serve()
