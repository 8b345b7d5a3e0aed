"""Power cuts: every state in which one may leave the store is tried, or a sample of them.

    python -m benchmarks.torture.power --states 20
    python -m benchmarks.torture.power --states 0      # all: hours

A stage runs once under a journal (`benchmarks/torture/journal.py`), from which the possible states are made
(`benchmarks/torture/crashes.py`). In each of them the same command is run again. It either makes the undisturbed
artifact; or refuses with 3 and a hint, and nothing is gone that was there; or it finds an artifact that is complete by
the names and sizes of its files but damaged, which `verify` and the next stage then refuse with 3.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.torture.crashes import State, crash_states
from benchmarks.torture.flips import READERS
from benchmarks.torture.lab import COMMANDS, FILE, OFTEN, Fault, Lab, Row, open_lab
from benchmarks.torture.table import show
from tests.support.commands import Workspace, cli_environment

NOW_AND_THEN = {"SPIRL_CHECKPOINT_SECONDS": "0.5"}  # a few checkpoints


def cut_all(lab: Lab, states: int, seed: int = 0, stages: Sequence[str] = tuple(COMMANDS)) -> Row:
    """Cut the power while each stage runs, and run its command again.

    Args:
        lab: the undisturbed pipeline.
        states: how many of each stage to try, drawn at random; 0: all.
        seed: of the draw.
        stages: those to run.
    """
    row, generator = Row("power cuts"), random.Random(seed)
    for stage in stages:
        possible = record(lab, stage)
        row.add("possible states", len(possible))
        chosen = generator.sample(possible, min(states or len(possible), len(possible)))
        for state in chosen:
            with row.case(f"{stage}: {state.cause}"):
                row.add("states tried")
                _recover(lab, stage, state, row)
    return row


def record(lab: Lab, stage: str) -> list[State]:
    """Run a stage under a journal; return the states in which a power cut could have left its folder of the store."""
    work, out = lab.before(stage), lab.folder / f"journal-{stage}"
    shutil.rmtree(out, ignore_errors=True)
    folder = lab.artifacts(work) / stage
    folder.mkdir(parents=True)
    arguments = [str(folder), str(out), COMMANDS[stage], FILE]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.torture.journal", *arguments],
        cwd=work.folder,
        env=cli_environment(**work.variables, **NOW_AND_THEN),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise Fault(f"{COMMANDS[stage]} under a journal: {done.stderr[-2000:]}")
    return list(crash_states(out))


def _recover(lab: Lab, stage: str, state: State, row: Row) -> None:
    """Run a stage in the state after a power cut, and check what becomes of it."""
    work = lab.before(stage)
    folder = lab.artifacts(work) / stage
    try:
        state.write(folder)
        command = work.start(COMMANDS[stage], FILE, **OFTEN).wait()
        if command.returncode == 0:
            row.add(_outcome(lab, stage, work, Path(command.stdout.strip())))
            return
        if command.returncode != 3 or "hint:" not in command.stderr or "Traceback" in command.stderr:
            raise Fault(f"exit code {command.returncode}: {command.stderr[-2000:]}")
        _require_all_there(state, folder)
        row.add("refused with 3, nothing lost")
    finally:
        shutil.rmtree(work.folder)


def _outcome(lab: Lab, stage: str, work: Workspace, artifact: Path) -> str:
    """Say what has become of a command that ended well.

    Raises:
        Fault: an artifact is wrong, and nobody notices.
    """
    different = lab.differences(stage, work.folder / artifact)
    if not different:
        work.spirl("verify")
        return "recovered, identical"
    reader = READERS.get(stage)
    codes = [work.start("verify").wait().returncode]
    if reader is not None:
        codes.append(work.start(COMMANDS[reader], FILE, **OFTEN).wait().returncode)
    if codes != [3] * len(codes):
        raise Fault(f"{different} differ, and verify and the next stage exit with {codes}")
    return "damaged, found by verify and the next stage"


def _require_all_there(state: State, folder: Path) -> None:
    """Check that a refusal has thrown nothing away but what nobody can use."""
    gone = [
        path
        for path, data in state.data().items()
        if not path.endswith((".tmp", ".raw", ".lock", ".holder.json"))
        and not ((folder / path).is_file() and (folder / path).read_bytes() == data)
        and "/." not in f"/{path}"
    ]
    if gone:
        raise Fault(f"refused, but {gone} are gone or changed")


def main(arguments: Sequence[str] | None = None) -> int:
    """Cut the power, print what became of it, and return the exit code."""
    parser = argparse.ArgumentParser(description="Try the states in which a power cut may leave the store.")
    parser.add_argument("--states", type=int, default=10, help="of each stage; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    chosen = parser.parse_args(arguments)
    with open_lab() as lab:
        return show([cut_all(lab, chosen.states, chosen.seed, chosen.stages)])


if __name__ == "__main__":
    sys.exit(main())
