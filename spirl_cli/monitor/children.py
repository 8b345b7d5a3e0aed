"""Common setup of worker processes: signals, threads, priority and end."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from multiprocessing import resource_tracker

from spirl_cli.monitor.signals import SIGNALS
from spirl_cli.monitor.streams import LossyStream, guard_stderr

# One BLAS thread per worker: their matrices are tiny, and there is a worker per core already.
WORKER_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Python looks for modules in the working folder first, where anybody's `numpy.py` may lie. Workers get the folders of
# this process instead, once they have begun.
_SAFE_PATH = "PYTHONSAFEPATH"
_OURS = "of spirl"  # any text switches it on; this one says that the user did not
if not os.environ.get(_SAFE_PATH):
    WORKER_ENVIRONMENT[_SAFE_PATH] = _OURS
# Where workers and learner share cores the learner goes first: it is what a round usually waits for.
WORKER_NICENESS = 10


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def become_worker() -> None:
    """Prepare a worker: ignore signals, yield to other processes, end with the parent.

    A Ctrl-C reaches the whole process group; it is the parent who decides what it means. What a worker
    prints may get lost, but printing never fails.
    """
    guard_stderr()
    if sys.stdout is not None:
        sys.stdout = LossyStream(sys.stdout)
    if os.environ.get(_SAFE_PATH) == _OURS:
        del os.environ[_SAFE_PATH]  # an environment may start a Python program of its own
    os.nice(WORKER_NICENESS)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def python_command(*arguments: str) -> list[str]:
    """Return the command of a child process of this Python, which does not look for modules in the working folder."""
    return [sys.executable, "-P", *arguments]


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Block signals while workers start; workers inherit this and set their signals to be ignored."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_tracker() -> None:
    """Start multiprocessing's own helper so that signals to the process group do not end it.

    It ignores SIGINT and SIGTERM by itself, and starting it unblocks them: so it has to run before
    `signals_blocked`.
    """
    others = [one for one in SIGNALS if one not in (signal.SIGINT, signal.SIGTERM)]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, others)
    try:
        with variables({_SAFE_PATH: os.environ.get(_SAFE_PATH) or _OURS}):
            resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes that start inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """End this process when its parent ends, for whatever reason."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
