"""Signals at random moments of every stage: all that was interrupted goes on, and ends with the same bits.

    python -m benchmarks.torture.kills --kills 100

A signal that kills takes the command alone, without its workers; the others reach all processes of the command, as
those of a terminal or a scheduler do.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle

from benchmarks.torture.lab import COMMANDS, FILE, OFTEN, Fault, Lab, Row, open_lab, shared_memory
from benchmarks.torture.table import show
from tests.support.same_results import assert_no_process_left
from tests.support.warm import Command

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
MOST = 4  # kills of one run before it may finish


def torment(lab: Lab, kills: int, seed: int = 0, stages: Sequence[str] = tuple(COMMANDS)) -> Row:
    """Kill runs of all stages so many times in all, and compare what they make in the end.

    Args:
        lab: the undisturbed pipeline.
        kills: how many.
        seed: of the moments.
        stages: those to kill.
    """
    row, generator, signals = Row("kills"), random.Random(seed), cycle(SIGNALS)
    shared, killed = shared_memory(), 0
    for stage in cycle(stages):
        if killed >= kills:
            break
        with row.case(f"{stage}, after {killed} kills"):
            hit = _kill_a_run(lab, stage, generator, signals, min(MOST, kills - killed))
            killed += len(hit)
            for number in hit:
                row.add(number.name)
            row.add("resumed and identical", len(hit))
    if shared_memory() - shared:
        row.faults.append(f"left in shared memory: {shared_memory() - shared}")
    return row


def _kill_a_run(
    lab: Lab, stage: str, generator: random.Random, signals: Iterator[signal.Signals], most: int
) -> list[signal.Signals]:
    """Kill one run a few times, let it finish and compare; return the signals that hit."""
    work, hit = lab.before(stage), []
    for number in (next(signals) for _ in range(generator.randint(1, most))):
        command, begun = work.start(COMMANDS[stage], FILE, **OFTEN), time.monotonic()
        moment = begun + generator.uniform(0.0, lab.seconds[stage])
        if command.wait_until(lambda: time.monotonic() > moment):  # noqa: B023
            command.interrupt(number)
        command.wait()
        assert_no_process_left(command)
        if command.returncode == 0:  # it was faster
            lab.seconds[stage] = min(lab.seconds[stage], time.monotonic() - begun)
            break
        _check_end(command, number)
        hit.append(number)
    lab.require_same(stage, work, work.start(COMMANDS[stage], FILE, **OFTEN).wait())
    work.spirl("verify")
    shutil.rmtree(work.folder)
    return hit


def _check_end(command: Command, number: signal.Signals) -> None:
    """Check that a command ended as its signal demands.

    A signal that comes before the command has set its handlers, or after it has taken them away, ends it at once.
    """
    if command.returncode not in ((-number,) if number is signal.SIGKILL else (130, -number)):
        raise Fault(f"{number.name} gave exit code {command.returncode}: {command.stderr[-2000:]}")
    if "Traceback" in command.stderr:
        raise Fault(f"{number.name} gave a traceback: {command.stderr[-2000:]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill and resume, print what became of it, and return the exit code."""
    parser = argparse.ArgumentParser(description="Kill every stage at random moments and let it go on.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    with open_lab() as lab:
        return show([torment(lab, chosen.kills, chosen.seed)])


if __name__ == "__main__":
    sys.exit(main())
