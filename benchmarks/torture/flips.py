"""One flipped bit in every file of an artifact and of an unfinished run: it is found, by whoever reads the file.

    python -m benchmarks.torture.flips --flips 3

For each flip, `spirl verify` has to exit with 3. The command that reads the artifact has to exit with 3 too, unless
it does not need the file, or has a sound older one to go on from: then its result has to be the undisturbed one.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.torture.lab import COMMANDS, FILE, NAME, OFTEN, Fault, Lab, Row, open_lab
from benchmarks.torture.table import show
from spirl_cli.payload import (
    AGENT,
    CHECKPOINTS,
    CLIPS,
    EVALUATION,
    FINISHED_FOLDER,
    GENERATED_FOLDER,
    PRIOR,
    SKILLS,
    STAGE_NAMES,
)
from tests.support.commands import Workspace

UNREAD = ("*.lock",)  # empty files whose content means nothing
READERS = {CLIPS: SKILLS, SKILLS: PRIOR, PRIOR: AGENT, AGENT: EVALUATION}  # stages that read an artifact
_WAITED_FOR = {
    CLIPS: f"{GENERATED_FOLDER}/*.hdf5",
    EVALUATION: f"{FINISHED_FOLDER}/*.csv",
}  # what makes a run worth resuming


def flip_all(lab: Lab, flips: int, seed: int = 0, stages: Sequence[str] = STAGE_NAMES) -> list[Row]:
    """Flip bits in each file of all artifacts, and of unfinished runs of all stages; return a row for either."""
    finished, unfinished = Row("flips, done"), Row("flips, runs")
    generator = random.Random(seed)
    for stage in stages:
        whole = lab.workspace(*STAGE_NAMES[: STAGE_NAMES.index(stage) + 1])
        [folder] = (lab.artifacts(whole) / stage).glob("v*")
        _flip_files(lab, whole, folder, READERS.get(stage), finished, generator, flips)
        run = unfinished_run(lab, stage)
        [folder] = (lab.artifacts(run) / stage).glob("run-*")
        _flip_files(lab, run, folder, stage, unfinished, generator, flips)
    return [finished, unfinished]


def unfinished_run(lab: Lab, stage: str) -> Workspace:
    """Return a workspace in which a stage was killed after it had saved something, if possible two checkpoints."""
    for _ in range(20):
        work = lab.before(stage)
        command = work.start(COMMANDS[stage], FILE, **OFTEN)
        folder, pattern = lab.artifacts(work) / stage, _WAITED_FOR.get(stage, CHECKPOINTS)
        wanted = 1 if stage in _WAITED_FOR else 2
        command.wait_until(lambda: len(list(folder.glob(f"run-*/{pattern}"))) >= wanted)  # noqa: B023
        if command.running():
            command.interrupt(signal.SIGKILL)
        command.wait()
        if list(folder.glob(f"run-*/{pattern}")):
            return work
    raise Fault(f"{COMMANDS[stage]} ends before it can be killed")


def _flip_files(
    lab: Lab, work: Workspace, folder: Path, reader: str | None, row: Row, generator: random.Random, flips: int
) -> None:
    """Flip bits in each file below a folder of a workspace, each in a copy of it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not any(map(path.match, UNREAD))]
    for path in (path for path in files if path.stat().st_size and not path.name.endswith((".tmp", ".raw"))):
        for _ in range(flips):
            with row.case(f"{path.relative_to(lab.artifacts(work))} in {work.folder.name}"):
                copy = Workspace(lab.folder / "flipped", work.server, work.variables)
                shutil.rmtree(copy.folder, ignore_errors=True)
                shutil.copytree(work.folder, copy.folder)
                place = flip(copy.folder / path.relative_to(work.folder), generator)
                row.add("flips")
                _require_found(lab, copy, reader, row, place)


def flip(path: Path, generator: random.Random) -> str:
    """Flip a bit of a file, and return which one."""
    data = bytearray(path.read_bytes())
    byte, bit = generator.randrange(len(data)), generator.randrange(8)
    data[byte] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {byte} of {len(data)}"


def _require_found(lab: Lab, work: Workspace, reader: str | None, row: Row, place: str) -> None:
    """Check that `verify` finds the damage, and that a reader refuses it or does without."""
    verified = work.start("verify").wait()
    if verified.returncode != 3:
        raise Fault(f"{place}: verify exits with {verified.returncode}: {verified.stderr[-1000:]}")
    row.add("found by verify")
    if reader is None:
        return
    command = work.start(COMMANDS[reader], FILE, **OFTEN).wait()
    if command.returncode == 3:
        if "hint:" not in command.stderr or "Traceback" in command.stderr:
            raise Fault(f"{place}: refused without a hint: {command.stderr[-1000:]}")
        row.add("refused by the reader")
        return
    [artifact, *_] = [Path(line) for line in command.stdout.splitlines()] or [Path(NAME)]
    different = lab.differences(reader, work.folder / artifact)
    if command.returncode != 0 or different:
        raise Fault(
            f"{place}: the reader exits with {command.returncode}, {different} differ: {command.stderr[-1000:]}"
        )
    row.add("not needed by the reader, whose result is the same")


def main(arguments: Sequence[str] | None = None) -> int:
    """Flip bits, print what became of it, and return the exit code."""
    parser = argparse.ArgumentParser(description="Flip a bit in every file of artifacts and unfinished runs.")
    parser.add_argument("--flips", type=int, default=1, help="in each file")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    with open_lab() as lab:
        return show(flip_all(lab, chosen.flips, chosen.seed))


if __name__ == "__main__":
    sys.exit(main())
