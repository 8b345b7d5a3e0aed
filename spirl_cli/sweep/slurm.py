"""Jobs as tasks of Slurm's job arrays, chained by `afterok`; a task types the same command as a person.

Jobs that need the same others form one array, so that each task starts as soon as what it needs is
done. A task that was interrupted, by its time limit or a signal, requeues itself (`task.sh`); one that
died without a word is submitted again by the process that watches.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from spirl_cli.errors import Interrupted, UsageError
from spirl_cli.files import make_folder, write_whole
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.sweep.engine import Work, command_of
from spirl_cli.sweep.jobs import Job, waves
from spirl_cli.sweep.record import SweepFolder

_TASK = Path(__file__).with_name("task.sh")
_LARGEST_ARRAY = 1000  # Slurm's default MaxArraySize is 1001
_MOST_SUBMISSIONS = 10  # of one job by one process that watches
_POLL = 2.0  # seconds
_OVER = ("COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "PREEMPTED")
_CANCELLED = "CANCELLED"


class SlurmEngine:
    """Submits jobs and, unless told otherwise, watches until all have ended.

    Args:
        name: the sweep's name; its tasks are called `spirl-NAME`.
        options: options of `sbatch` without dashes, such as `partition`.
        submitted: key to task id of what an earlier call submitted.
        remember: told `submitted` whenever it has grown.
        wait: watch the tasks until they have ended.

    Raises:
        UsageError: Slurm is not installed here.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, str],
        submitted: Mapping[str, str],
        remember: Callable[[dict[str, str]], None],
        *,
        wait: bool,
    ) -> None:
        if shutil.which("sbatch") is None:
            raise UsageError("There is no sbatch on this machine.", "run the sweep where Slurm's commands are")
        self._name = name
        self._options = options
        self._submitted = dict(submitted)
        self._remember = remember
        self._wait = wait
        self._submissions: Counter[str] = Counter()

    def run(self, work: Work) -> None:
        """Submit what the queue does not have yet, and watch."""
        queue = queue_of(self._name) or {}
        self._submit([job for job in work.jobs if self._state(job, queue) is None or self._is_over(job, queue)], work)
        if not self._wait:
            return
        told: set[str] = set()
        with Interrupts() as interrupts:
            while not interrupts.requested:
                time.sleep(_POLL)
                found = queue_of(self._name)
                if found is not None and self._attend(found, told, work):
                    return
        raise Interrupted("No longer watching; the submitted tasks go on.", "'spirl sweep status' shows them.")

    def _attend(self, queue: Mapping[str, str], told: set[str], work: Work) -> bool:
        """Report what has ended, and submit again what was lost; returns whether nothing is left."""
        codes = work.folder.exit_codes()
        for job in work.jobs:
            if job.key in codes and job.key not in told:
                told.add(job.key)
                _report(job, codes[job.key], work)
        over = [job for job in work.jobs if self._is_over(job, queue)]
        lost = [job for job in over if job.key not in codes and self._is_lost(job, queue)]
        self._submit(lost, work)
        return len(over) == len(work.jobs) and not lost

    def _is_lost(self, job: Job, queue: Mapping[str, str]) -> bool:
        """Tell whether a task died without a word; one that somebody cancelled stays cancelled.

        Slurm cancels tasks whose needs have failed: if these were submitted again, so are those.
        """
        if self._submissions[job.key] >= _MOST_SUBMISSIONS:
            return False
        if self._state(job, queue) != _CANCELLED:
            return True
        return any(self._submissions[key] > self._submissions[job.key] for key in job.needs)

    def _state(self, job: Job, queue: Mapping[str, str]) -> str | None:
        return queue.get(self._submitted.get(job.key, ""))

    def _is_over(self, job: Job, queue: Mapping[str, str]) -> bool:
        return not is_active(self._state(job, queue))

    def _submit(self, jobs: Sequence[Job], work: Work) -> None:
        """Submit jobs, those first that others need, with everything remembered before the next one."""
        for job in jobs:
            work.folder.forget(job.key)
        unfinished = {job.key for job in work.jobs} - work.folder.done()
        for wave in waves(jobs):
            groups: defaultdict[tuple[str, ...], list[Job]] = defaultdict(list)
            for job in wave:
                groups[job.needs].append(job)
            for part in (part for group in groups.values() for part in _parts(group)):
                needs = [self._submitted[key] for key in part[0].needs if key in unfinished]
                self._submit_array(part, needs, work)

    def _submit_array(self, jobs: Sequence[Job], needs: Sequence[str], work: Work) -> None:
        listed = _write_list(jobs, work.folder)
        array = _sbatch(
            {
                "job-name": job_name(self._name),
                "array": f"0-{len(jobs) - 1}",
                "output": str(listed.with_suffix(".out")),
                "open-mode": "append",
                "signal": "B:TERM@120",
                **({"dependency": "afterok:" + ":".join(needs)} if needs else {}),
                **self._options,
            },
            listed,
        )
        for number, job in enumerate(jobs):
            self._submitted[job.key] = f"{array}_{number}"
            self._submissions[job.key] += 1
            work.say(f"queued   {work.name(job)} as {array}_{number}")
        self._remember(self._submitted)


def job_name(name: str) -> str:
    """Return what the tasks of a sweep are called at Slurm."""
    return f"spirl-{name}"


def queue_of(name: str) -> dict[str, str] | None:
    """Return the state of each task of a sweep that Slurm still knows, by id; None when it does not answer."""
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T", f"--name={job_name(name)}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return dict(line.split("|", 1) for line in answer.stdout.splitlines() if "|" in line)


def is_active(state: str | None) -> bool:
    """Tell whether a task with this state will run or is running."""
    return state is not None and state not in (*_OVER, _CANCELLED)


def _report(job: Job, code: int, work: Work) -> None:
    if code == 0:
        work.say(f"done     {work.name(job)}")
    else:
        work.say(f"failed   {work.name(job)} with exit code {code}: see {work.folder.log(job)}")


def _parts(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    for start in range(0, len(jobs), _LARGEST_ARRAY):
        yield jobs[start : start + _LARGEST_ARRAY]


def _write_list(jobs: Sequence[Job], folder: SweepFolder) -> Path:
    """Write what the tasks of an array do, a line each; the file stays as long as the array may run."""
    folder = SweepFolder(folder.path.resolve())
    path = folder.path / "slurm" / f"{jobs[0].key}-{time.time_ns()}.tsv"
    make_folder(path.parent)
    rows = [(folder.exit_file(job.key), folder.log(job), shlex.join(command_of(job))) for job in jobs]
    write_whole(path, "".join("\t".join(map(str, row)) + "\n" for row in rows).encode())
    return path


def _sbatch(options: Mapping[str, str], listed: Path) -> str:
    """Submit an array and return its id.

    Raises:
        UsageError: Slurm refuses it.
    """
    given = [f"--{key}={value}" if value else f"--{key}" for key, value in options.items()]
    command = ["sbatch", "--parsable", "--requeue", "--kill-on-invalid-dep=yes", *given, str(_TASK), str(listed)]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:
        why = " ".join(answer.stderr.split())
        raise UsageError(
            f"sbatch refused the sweep: {why}", "options for it are given as --slurm partition=NAME,time=1:00:00"
        )
    return answer.stdout.strip().split(";")[0]
