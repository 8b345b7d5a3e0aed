"""Jobs as tasks of a Ray cluster: one remote function around the same command; a task whose node dies is retried."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spirl_cli.errors import Interrupted, UsageError
from spirl_cli.monitor.children import WORKER_ENVIRONMENT
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.store.locks import now
from spirl_cli.sweep.engine import Work, command_of, ready, shown_command, without_dependents
from spirl_cli.sweep.jobs import Job

_RETRIES = 20
_POLL = 0.5  # seconds
_GIVEN_BY_RAY = ("CUDA_VISIBLE_DEVICES",)


def run_command(command: list[str], log: str, folder: str, environment: dict[str, str]) -> int:
    """Run a command on the node that Ray chose, as if typed in `folder`; returns its exit code.

    When the task is cancelled the command saves what it has.
    """
    own = {name: os.environ[name] for name in _GIVEN_BY_RAY if name in os.environ}
    with open(log, "ab") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=folder,
            env={**environment, **own},
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                time.sleep(_POLL)  # not wait(): Ray's interruption arrives between two lines of Python only
            return process.returncode
        except KeyboardInterrupt:
            process.terminate()
            return process.wait()


class RayEngine:
    """Runs each job as a task, as soon as what it needs is done; Ray decides how many at a time.

    Args:
        options: ``address`` of a cluster (default: ``RAY_ADDRESS``, else this machine alone), and
            what a task asks for, such as ``num_cpus`` (default 1) and ``num_gpus``.

    Raises:
        UsageError: Ray is not installed, or an option is not a number.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
        try:
            import ray
        except ImportError:
            raise UsageError("Ray is not installed.", "pip install 'spirl[ray]'") from None
        self._ray: Any = ray
        self._address = options.get("address")
        self._needs = {"num_cpus": 1.0, **_numbers(options)}

    def run(self, work: Work) -> None:
        """Bring all jobs to an end. A failed one takes only those along that need its artifact."""
        started = not self._ray.is_initialized()
        if started:
            self._ray.init(address=self._address, include_dashboard=False, log_to_driver=False)
        try:
            self._run(work)
        finally:
            if started:
                self._ray.shutdown()

    def _run(self, work: Work) -> None:
        waiting = list(work.jobs)
        running: dict[Any, Job] = {}
        task = self._ray.remote(**self._needs, max_retries=_RETRIES)(run_command)
        with Interrupts() as interrupts:
            while (waiting or running) and not interrupts.requested:
                for job in ready(waiting, [*running.values()]):
                    waiting.remove(job)
                    running[self._start(task, job, work)] = job
                done, _ = self._ray.wait([*running], timeout=_POLL)
                for reference in done:
                    waiting = self._collect(running.pop(reference), reference, waiting, work)
            for reference in running:
                self._ray.cancel(reference)
            self._ray.wait([*running], num_returns=len(running)) if running else None
        if interrupts.requested:
            raise Interrupted("Interrupted: every running stage has saved what it has.", "The same command goes on.")

    def _start(self, task: Any, job: Job, work: Work) -> Any:
        work.folder.forget(job.key)
        log = work.folder.log(job).resolve()
        with log.open("a") as stream:
            stream.write(f"--- {now()} $ {shown_command(job)}\n")
        threads = dict.fromkeys(WORKER_ENVIRONMENT, str(max(int(self._needs["num_cpus"]), 1)))
        work.say(f"queued   {work.name(job)}")
        return task.remote(command_of(job), str(log), str(Path.cwd()), {**threads, **os.environ})

    def _collect(self, job: Job, reference: Any, waiting: list[Job], work: Work) -> list[Job]:
        """Note how a task ended; returns the jobs that can still run."""
        try:
            code = int(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:  # its node died more often than it is retried
            work.say(f"lost     {work.name(job)}: {str(error).splitlines()[0]}")
            code = 137
        work.folder.set_exit_code(job.key, code)
        if code == 0:
            work.say(f"done     {work.name(job)}")
            return waiting
        work.say(f"failed   {work.name(job)} with exit code {code}: see {work.folder.log(job)}")
        return without_dependents(waiting, job)


def _numbers(options: Mapping[str, str]) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in options.items() if name != "address"}
    except ValueError as error:
        raise UsageError(f"--ray: {error}.", "for example --ray address=auto,num_cpus=2") from None
