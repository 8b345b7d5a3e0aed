"""The table at the end of a torture, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.torture.lab import Row
from spirl_cli.files import write_whole


def show(rows: Sequence[Row], to: Path | None = None) -> int:
    """Print a line per row, write them with all faults as JSON, and return the exit code.

    Args:
        rows: what became of each kind of harm.
        to: the JSON file; None writes none.
    """
    if to is not None:
        write_whole(to, (json.dumps([asdict(row) for row in rows], indent=2) + "\n").encode())
    for row in rows:
        counts = ", ".join(f"{count:,} {what}" for what, count in row.counts.items())
        print(f"{row.name:<12} {len(row.faults):>3} faults  {row.seconds:>5.0f} s  {counts}")
    return 1 if any(row.faults for row in rows) else 0
