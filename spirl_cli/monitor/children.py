"""What the program's worker processes have in common: they stay quiet, small and out of the way."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from multiprocessing import resource_tracker

SIGNALS = (signal.SIGINT, signal.SIGTERM)
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

    A Ctrl-C reaches the whole process group; it is the parent who decides what it means.
    """
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


def start_tracker() -> None:
    """Start multiprocessing's own helper. Starting it unblocks signals, so it has to run before `signals_blocked`."""
    with variables({_SAFE_PATH: os.environ.get(_SAFE_PATH) or _OURS}):
        resource_tracker.ensure_running()


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Hold back signals until workers that start meanwhile, and inherit this, have chosen to ignore them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes that are started meanwhile."""
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
    """End this process when its parent does, however that comes about."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
