"""Jobs as processes of this machine, with its cores divided among them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from spirl_cli.errors import Interrupted
from spirl_cli.monitor.children import WORKER_ENVIRONMENT, usable_cores
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.store.locks import now
from spirl_cli.sweep.engine import Work, command_of, ready, shown_command, without_dependents
from spirl_cli.sweep.jobs import Job
from spirl_cli.sweep.record import SweepFolder
from spirl_cli.sweep.status import INTERRUPTED

_POLL = 0.05  # seconds


@dataclass
class _Running:
    """A job's process; ``slot`` is its share of the cores."""

    job: Job
    process: subprocess.Popen[bytes]
    slot: int
    began: float


class LocalEngine:
    """Runs jobs side by side, each as soon as what it needs is done.

    Args:
        jobs: how many at the same time.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._cores = usable_cores()

    def run(self, work: Work) -> None:
        """Bring all jobs to an end. A failed one takes only those along that need its artifact."""
        waiting = list(work.jobs)
        running: list[_Running] = []
        with Interrupts() as interrupts:
            try:
                while (waiting or running) and not interrupts.requested:
                    self._start_ready(waiting, running, work)
                    time.sleep(_POLL)
                    waiting = self._collect(waiting, running, work)
            finally:
                _stop(running)
            self._collect(waiting, running, work)
        if interrupts.requested:
            raise Interrupted("Interrupted: every running stage has saved what it has.", "The same command goes on.")

    def _start_ready(self, waiting: list[Job], running: list[_Running], work: Work) -> None:
        for job in ready(waiting, [one.job for one in running]):
            if len(running) == self._jobs:
                return
            slot = min(set(range(self._jobs)) - {one.slot for one in running})
            running.append(_Running(job, self._start(job, slot, work.folder), slot, time.monotonic()))
            waiting.remove(job)
            work.say(f"started  {work.name(job)}")

    def _start(self, job: Job, slot: int, folder: SweepFolder) -> subprocess.Popen[bytes]:
        """Start the command of a job on its share of the cores, in a session of its own: it hears only from us."""
        cores = shares(self._cores, self._jobs)[slot]
        threads = dict.fromkeys(WORKER_ENVIRONMENT, str(len(cores)))
        folder.forget(job.key)
        with folder.log(job).open("ab") as log:
            log.write(f"--- {now()} $ {shown_command(job)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                command_of(job),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**threads, **os.environ},
                start_new_session=True,
            )
        _pin(process.pid, cores)
        return process

    def _collect(self, waiting: list[Job], running: list[_Running], work: Work) -> list[Job]:
        """Note which processes have ended; returns the jobs that can still run."""
        for one in [one for one in running if one.process.poll() is not None]:
            running.remove(one)
            code = one.process.returncode
            work.folder.set_exit_code(one.job.key, code)
            took = f"{time.monotonic() - one.began:.0f} s"
            if code == 0:
                work.say(f"done     {work.name(one.job)} ({took})")
                continue
            log, end = work.folder.log(one.job), "stopped" if code in INTERRUPTED else "failed "
            work.say(f"{end}  {work.name(one.job)} with exit code {code} after {took}: see {log}")
            waiting = without_dependents(waiting, one.job)
        return waiting


def shares(cores: int, jobs: int) -> list[list[int]]:
    """Divide the usable cores among jobs; with more jobs than cores several share one."""
    known = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(cores))
    if jobs >= cores:
        return [[known[slot % cores]] for slot in range(jobs)]
    return [known[slot * cores // jobs : (slot + 1) * cores // jobs] for slot in range(jobs)]


def _pin(pid: int, cores: Sequence[int]) -> None:
    if hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(pid, cores)
        except OSError:  # it has ended already, or the system does not allow it
            return


def _stop(running: Sequence[_Running]) -> None:
    """Let running processes save and end; a second signal reaches them as a second signal."""
    for one in running:
        _signal(one)
    try:
        for one in running:
            one.process.wait()
    except KeyboardInterrupt:
        for one in running:
            _signal(one)
        raise


def _signal(one: _Running) -> None:
    if one.process.poll() is None:
        one.process.send_signal(signal.SIGTERM)
