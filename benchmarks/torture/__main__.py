"""All tortures, one after the other, with a table at the end.

    python -m benchmarks.torture                             # as `make torture`: some minutes on idle cores
    python -m benchmarks.torture --only kills --kills 500 --seed 1
    python -m benchmarks.torture --only power --states 0          # every state: hours

Every fault is printed with what led to it, and the exit code is 1 if there is any. `--json FILE` keeps the table.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.torture.disk import begin_again_with_mounts, fill_all
from benchmarks.torture.flips import flip_all
from benchmarks.torture.kills import torment
from benchmarks.torture.lab import Fault, Lab, Row, open_lab
from benchmarks.torture.power import cut_all
from benchmarks.torture.sharing import share_all
from benchmarks.torture.table import show

TORTURES = ("kills", "power", "disk", "flips", "sharing", "fuzz")


def random_inputs(cases: int, seed: int) -> Row:
    """Try random inputs with `benchmarks/torture/fuzz.py`, in a process of its own, whose memory is bounded."""
    row = Row("fuzz")
    command = [sys.executable, "-m", "benchmarks.torture.fuzz", "--cases", str(cases), "--seed", str(seed)]
    with row.case("random inputs"):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Fault(f"exit code {done.returncode}: {done.stderr[-2000:]}")
        row.add("inputs answered", sum(int(count) for count in re.findall(r"(\d+) cases", done.stdout)))
    return row


def torture(chosen: argparse.Namespace) -> list[Row]:
    """Run the chosen tortures on one lab and return their rows."""
    seed, rows = chosen.seed, []
    kinds: dict[str, Callable[[Lab], list[Row]]] = {
        "kills": lambda lab: [torment(lab, chosen.kills, seed)],
        "power": lambda lab: [cut_all(lab, chosen.states, seed)],
        "disk": lambda lab: fill_all(lab, chosen.places),
        "flips": lambda lab: flip_all(lab, chosen.flips, seed),
        "sharing": lambda lab: [share_all(lab, chosen.processes)],
        "fuzz": lambda lab: [random_inputs(chosen.cases, seed)],
    }
    with open_lab() as lab:
        for name in chosen.only:
            rows += kinds[name](lab)
            show(rows[-1:])  # so that one sees how far it is
            print()
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tortures, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description="Harm a small pipeline in many ways, and see that nothing is lost.")
    parser.add_argument("--only", nargs="+", choices=TORTURES, default=list(TORTURES))
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--states", type=int, default=12, help="after power cuts, of each stage; 0: all")
    parser.add_argument("--places", type=int, default=6, help="where the disk is full, in each stage")
    parser.add_argument("--flips", type=int, default=1, help="in each file")
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--cases", type=int, default=2000, help="random inputs in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    return show(torture(chosen), chosen.json)


if __name__ == "__main__":
    begin_again_with_mounts("benchmarks.torture", sys.argv[1:])
    sys.exit(main())
