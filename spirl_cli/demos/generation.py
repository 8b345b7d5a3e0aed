"""Makes demonstrations in worker processes, chunk by chunk.

Every episode follows from its number alone, so neither the number of workers nor an interruption
changes the result. Workers write finished chunks to disk themselves, so that memory holds one chunk per worker, for any
number of episodes.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from spirl_cli.demos.chunks import chunks, count_attempts, read_chunk, write_chunk
from spirl_cli.demos.dataset import StoredEpisode
from spirl_cli.domains.domain import GeneratedEpisode, Generator
from spirl_cli.errors import Interrupted, SpirlError
from spirl_cli.files import make_folder
from spirl_cli.monitor.children import (
    WORKER_ENVIRONMENT,
    become_worker,
    signals_blocked,
    start_tracker,
    usable_cores,
    variables,
)
from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.monitor.reporter import Reporter

MakeEpisode = Callable[[int], GeneratedEpisode]

LOOK_SECONDS = 0.2  # between two checks for a signal


class GeneratedDataset:
    """Generated episodes, read from the folder into which `generate` wrote them."""

    def __init__(self, generator: Generator, folder: Path) -> None:
        self._generator = generator
        self._folder = folder

    def action_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (low, high), float32 `(A,)` each."""
        return self._generator.low, self._generator.high

    def action_dim(self) -> int:
        """Return the size A of an action."""
        return len(self._generator.low)

    @property
    def success_rate(self) -> float:
        """Share of the attempts that were good enough to be kept."""
        return self._generator.episodes / sum(map(count_attempts, chunks(self._generator, self._folder)))

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes in the order of their numbers."""
        for path, numbers in chunks(self._generator, self._folder).items():
            yield from read_chunk(path, numbers.start)


def generate(generator: Generator, folder: Path, reporter: Reporter, processes: int | None = None) -> None:
    """Make all episodes that are not in the folder yet.

    Args:
        generator: makes the episodes.
        folder: folder of the chunks of this generator alone.
        reporter: shows progress.
        processes: number of worker processes; 1 is a thread of this process, None is one per core.

    Raises:
        Interrupted: SIGINT or SIGTERM arrived; finished chunks stay.
        SpirlError: a worker died, for instance since memory ran out.
    """
    make_folder(folder)
    missing = _missing(generator, folder)
    if not missing:
        return
    done = _done(generator, folder)
    if done:
        reporter.message(f"{done:,} of {generator.episodes:,} episodes were generated before the interruption")
    workers = min(processes or usable_cores(), len(missing))
    title = f"generate {generator.name}"
    progress = reporter.progress(title, generator.episodes, "episodes", done)
    with Interrupts() as interrupts, _executor(workers) as executor, progress as bar:
        for finished in _work(executor, generator.make, missing, workers):
            done += finished
            bar.update(done)
            if interrupts.requested:
                break
    if interrupts.requested:  # workers have finished their chunks
        raise Interrupted(
            f"interrupted after {_done(generator, folder):,} of {generator.episodes:,} generated episodes",
            "the same command goes on from there",
        )


def _missing(generator: Generator, folder: Path) -> dict[Path, range]:
    return {path: numbers for path, numbers in chunks(generator, folder).items() if not path.exists()}


def _done(generator: Generator, folder: Path) -> int:
    """Return the number of episodes that the folder holds."""
    return generator.episodes - sum(map(len, _missing(generator, folder).values()))


def _work(executor: Executor, make: MakeEpisode, missing: dict[Path, range], workers: int) -> Iterator[int]:
    """Make the missing chunks; a few times per second, yield the number of newly finished episodes."""
    waiting = list(missing.items())[::-1]
    running: set[Future[int]] = set()
    try:
        while waiting or running:
            while waiting and len(running) < 2 * workers:  # so that no worker idles while this process is busy
                running.add(_submit(executor, make, *waiting.pop()))
            finished, running = wait(running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            yield sum(future.result() for future in finished)
    except BrokenProcessPool as error:
        raise SpirlError(
            "a process that generates demonstrations died", "often the machine ran out of memory"
        ) from error


def _submit(executor: Executor, make: MakeEpisode, path: Path, numbers: range) -> Future[int]:
    """Submit a chunk to the workers; this may start a worker."""
    with signals_blocked(), variables(WORKER_ENVIRONMENT):
        return executor.submit(_make_chunk, make, path, numbers)


def _make_chunk(make: MakeEpisode, path: Path, numbers: Sequence[int]) -> int:
    write_chunk(path, [make(number) for number in numbers])
    return len(numbers)


@contextmanager
def _executor(workers: int) -> Iterator[Executor]:
    """Yield workers; at the end of the block they finish their present chunks only."""
    executor = _start(workers)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start(workers: int) -> Executor:
    if workers == 1:
        return ThreadPoolExecutor(1)
    start_tracker()
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=become_worker)
