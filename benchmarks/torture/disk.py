"""A disk that is full at every write of every stage, and has room again afterwards.

    python -m benchmarks.torture.disk --places 12

A stage runs on a small file system of its own (a `tmpfs` in a mount namespace of this process, for which Linux asks no
rights where unprivileged namespaces are allowed) with less and less room; where that is not possible, and for one more
row where it is, with smaller and smaller files (`ulimit -f`). The command has to exit with 1 and say what is full and
how much is needed. With room again, the same command has to make the undisturbed artifact.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.torture.lab import COMMANDS, FILE, OFTEN, Fault, Lab, Row, open_lab
from benchmarks.torture.table import show
from tests.support.commands import Workspace

BLOCK = 4096  # bytes, of a tmpfs
MEGABYTES = 64  # of the small disk, far more than the pipeline takes
SAYS = re.compile(r"error: .*(is full|may not be that large).*: .+ needs .*\d [kMG]?B, and there are \d")
HINT = re.compile(r"hint: (make room for|allow) .*\d [kMG]?B and .*, then run the same command again")
_MOUNTS = "SPIRL_TORTURE_MOUNTS"  # set in a process that has mounts of its own


def fill_all(lab: Lab, places: int, stages: Sequence[str] = tuple(COMMANDS)) -> list[Row]:
    """Let there be no room at so many places of every stage; return a row for each way in which there can be none.

    Args:
        lab: the undisturbed pipeline.
        places: how many, evenly over what a stage writes.
        stages: those to run.
    """
    small, short = Row("disk full"), Row("files short")
    for stage in stages:
        with small_disk(lab.folder / "disk") as disk:
            most = _bytes_used(lab, stage, disk) if disk else 0
            for room in _even(most, places if disk else 0):
                with small.case(f"{stage} with {room} bytes of room"):
                    _disturb(lab, stage, small, disk, lambda work: room_left(work.folder.parent, room))  # noqa: B023
        longest = max(path.stat().st_size for path in (lab.artifacts(lab.whole) / stage).rglob("*") if path.is_file())
        for limit in _even(longest, places):
            with short.case(f"{stage} with files of {limit} bytes"):
                _disturb(lab, stage, short, None, lambda work: file_limit(lab, limit))  # noqa: B023
    return [small, short] if small.counts else [short]


def _even(most: int, places: int) -> list[int]:
    """Return numbers of bytes, from one block to nearly the most."""
    return [max(BLOCK, most * number // places // BLOCK * BLOCK) for number in range(places)]


def _disturb(
    lab: Lab,
    stage: str,
    row: Row,
    disk: Path | None,
    limit: Callable[[Workspace], contextlib.AbstractContextManager[None]],
) -> None:
    """Run a stage with too little room, then with enough."""
    work = lab.before(stage, at=disk / "work" if disk else None)
    try:
        with limit(work):
            command = work.start(COMMANDS[stage], FILE, **OFTEN).wait()
        if command.returncode == 0:
            row.add("had room enough")
        elif command.returncode != 1 or not SAYS.search(command.stderr) or not HINT.search(command.stderr):
            raise Fault(f"exit code {command.returncode}: {command.stderr[-2000:]}")
        else:
            row.add("refused with what is full and what is needed")
            command = work.start(COMMANDS[stage], FILE, **OFTEN).wait()
        lab.require_same(stage, work, command)
        row.add("identical in the end")
    finally:
        shutil.rmtree(work.folder)


def _bytes_used(lab: Lab, stage: str, disk: Path) -> int:
    """Return how many bytes a stage takes at most while it runs."""
    work, most = lab.before(stage, at=disk / "work"), 0
    before = shutil.disk_usage(disk).used

    def look() -> bool:
        nonlocal most
        most = max(most, shutil.disk_usage(disk).used - before)
        return False

    work.start(COMMANDS[stage], FILE, **OFTEN).wait_until(look)
    shutil.rmtree(work.folder)
    return most


@contextlib.contextmanager
def room_left(disk: Path, room: int) -> Iterator[None]:
    """Leave so many bytes of a disk free."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - room)))
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def file_limit(lab: Lab, size: int) -> Iterator[None]:
    """Let no command write a file of more bytes."""
    process, kind = lab.server.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(process, kind)
    resource.prlimit(process, kind, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, kind, before)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a small file system; without mounts of one's own, yield None."""
    if not os.environ.get(_MOUNTS):
        yield None
        return
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def begin_again_with_mounts(module: str, arguments: Sequence[str]) -> None:
    """Replace this process by one in a mount namespace of its own, where that is allowed; else do nothing."""
    wrapper = ["unshare", "--map-root-user", "--mount"]
    if os.environ.get(_MOUNTS) or shutil.which("unshare") is None:
        return
    if subprocess.run([*wrapper, "true"], capture_output=True).returncode == 0:
        os.environ[_MOUNTS] = "1"
        os.execvp("unshare", [*wrapper, sys.executable, "-m", module, *arguments])


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the disk, print what became of it, and return the exit code."""
    parser = argparse.ArgumentParser(description="Let every stage run out of room at many places.")
    parser.add_argument("--places", type=int, default=8, help="in each stage")
    parser.add_argument("--stages", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    chosen = parser.parse_args(arguments)
    with open_lab() as lab:
        return show(fill_all(lab, chosen.places, chosen.stages))


if __name__ == "__main__":
    begin_again_with_mounts("benchmarks.torture.disk", sys.argv[1:])
    sys.exit(main())
