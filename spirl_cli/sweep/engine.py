"""What every engine is given, and what it is asked to do."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from spirl_cli.sweep.jobs import Job
from spirl_cli.sweep.record import SweepFolder


@dataclass(frozen=True)
class Work:
    """Jobs to bring to an end.

    Attributes:
        jobs: in an order in which they can run; a need that is not among them is done.
        folder: where logs and exit codes go.
        say: tells the user something.
        name: how to call a job in messages.
    """

    jobs: Sequence[Job]
    folder: SweepFolder
    say: Callable[[str], None]
    name: Callable[[Job], str]


class Engine(Protocol):
    """Runs the command line of each job, once what it needs is done."""

    def run(self, work: Work) -> None:
        """Bring all jobs to an end; notes the exit code of each one.

        Raises:
            Interrupted: SIGINT or SIGTERM arrived; the same command goes on.
        """


def command_of(job: Job) -> list[str]:
    """Return the words that start a job with this Python."""
    return [sys.executable, "-m", "spirl_cli", *job.arguments]


def shown_command(job: Job) -> str:
    """Return the command line of a job as a person would type it."""
    return shlex.join(["spirl", *job.arguments])


def ready(waiting: Sequence[Job], running: Sequence[Job]) -> list[Job]:
    """Return the waiting jobs whose needs are done."""
    unfinished = {job.key for job in (*waiting, *running)}
    return [job for job in waiting if unfinished.isdisjoint(job.needs)]


def without_dependents(jobs: Sequence[Job], failed: Job) -> list[Job]:
    """Return the jobs that need neither a failed job nor one that does."""
    lost = {failed.key}
    for job in jobs:
        if not lost.isdisjoint(job.needs):
            lost.add(job.key)
    return [job for job in jobs if job.key not in lost]
