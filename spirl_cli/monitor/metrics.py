"""Metrics of a run: `metrics.csv` for programs and people, and TensorBoard events."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from spirl_cli.errors import ArtifactError
from spirl_cli.files import make_folder
from spirl_cli.monitor.events import EventFile
from spirl_cli.payload import EVENTS_FOLDER, METRICS_FILE
from spirl_cli.room import room_for
from spirl_cli.seals import seal, written_sealed

if TYPE_CHECKING:
    from hashlib import _Hash as Digest

STEP = "step"
Row = dict[str, float]
NO_ROWS = hashlib.sha256().hexdigest()  # checksum of an empty log


class MetricsLog:
    """Appends rows to `metrics.csv` and to `tensorboard/` in a run's folder.

    The first column is `step`; the others are in order of first appearance, which never changes. A cell is empty if
    its row has no such value. Floats are written exactly.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / METRICS_FILE
        self._columns, rows = _read(self.path)
        self._digest = _digest(rows)
        self._file: IO[str] | None = None
        self._events = EventFile(folder / EVENTS_FOLDER)

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add one row; readers see it at once.

        Raises:
            ValueError: a value is named `step`.
        """
        if STEP in values:
            raise ValueError("a metric cannot be named 'step'")
        row = {name: float(value) for name, value in values.items()}
        new = [name for name in row if name not in self._columns]
        if new or self._file is None:
            self._open([*self._columns, *new])
        assert self._file is not None
        with room_for(self.path):
            csv.writer(self._file, lineterminator="\n").writerow(_cells(self._columns, {STEP: step, **row}))
            self._file.flush()
        _digest([{STEP: int(step), **row}], self._digest)
        self._events.add(step, row)

    @property
    def digest(self) -> str:
        """Checksum of the values of all rows."""
        return self._digest.hexdigest()

    def rewind(self, step: int, digest: str | None = None) -> None:
        """Forget every row after `step`, and whatever a crash left half written.

        `rewind(-1)` forgets all rows. Used when a run goes on from a checkpoint at `step`.

        Args:
            step: of the last row that stays.
            digest: checksum of the rows that should then be there; None where it is not known.

        Raises:
            ArtifactError: the file holds other rows; nothing is changed.
        """
        self.close()
        columns, rows = _read(self.path)
        kept = [row for row in rows if row[STEP] <= step]
        if self.path.exists():
            if digest is not None and _digest(kept).hexdigest() != digest:
                raise ArtifactError(
                    f"{self.path} is damaged: its rows up to step {step:,} are not those that were logged.",
                    "put a sound copy in its place, or move it elsewhere to go on without these rows; "
                    "checkpoints are not affected",
                )
            _write(self.path, columns, kept)
        self._columns, self._digest = columns, _digest(kept)
        self._events.purge(step + 1)

    def rows(self) -> list[Row]:
        """Return all rows in order, each with `step` and its values."""
        return _read(self.path)[1]

    def flush(self) -> None:
        """Wait until all rows are on the disk, and seal them."""
        if self._file is not None:
            with room_for(self.path):
                os.fsync(self._file.fileno())
            seal(self.path)
        self._events.flush()

    def close(self) -> None:
        """Close the files; a later `append` opens them again."""
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None
        self._events.close()

    def _open(self, columns: list[str]) -> None:
        """Open the file for appending; rewrite it if its header differs from `columns`."""
        make_folder(self.folder)
        if self._file is not None:
            self._file.close()
        _, rows = _read(self.path)
        _write(self.path, columns, rows)  # also drops an incomplete last line
        self._columns = columns
        self._file = self.path.open("a", newline="")


def metric_rows(folder: Path) -> list[Row]:
    """Return the rows of `metrics.csv` in a run's folder, in order."""
    return _read(folder / METRICS_FILE)[1]


def _read(path: Path) -> tuple[list[str], list[Row]]:
    """Return `(columns without step, rows)`; a torn last line is left out, and so is what is no row."""
    if not path.exists():
        return [], []
    text = path.read_bytes().decode(errors="replace")
    whole, _, _ = text.rpartition("\n")  # a line without its end may be a shortened number
    header, *lines = (_split(line) for line in whole.split("\n"))
    if header[:1] != [STEP]:
        return [], []
    rows = [_row(header, cells) for cells in lines]
    return header[1:], [row for row in rows if row is not None]


def _split(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # characters that no row has
        return []


def _row(header: Sequence[str], cells: Sequence[str]) -> Row | None:
    try:
        row: Row = {STEP: int(cells[0])}
        row.update({name: float(cell) for name, cell in zip(header[1:], cells[1:], strict=True) if cell})
    except (IndexError, ValueError):
        return None
    return row


def _digest(rows: Iterable[Row], begun: Digest | None = None) -> Digest:
    """Return the checksum of rows, or add them to one that has begun; columns without a value do not count."""
    digest = hashlib.sha256() if begun is None else begun
    for row in rows:
        digest.update(repr(sorted(row.items())).encode())
    return digest


def _write(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    with written_sealed(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([STEP, *columns])
        writer.writerows(_cells(columns, row) for row in rows)


def _cells(columns: Sequence[str], row: Mapping[str, float]) -> list[str]:
    return [str(row[STEP]), *(repr(row[name]) if name in row else "" for name in columns)]
