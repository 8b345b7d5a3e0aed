"""Columns of an Arrow or Parquet file, of which successive rows are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spirl_cli.demos.formats.checks import damage_refused, load_extra

_BUFFER = 2**20  # bytes of a column of a Parquet file that are read at once
_BATCH = 64  # rows of a Parquet file that are unpacked at once


class ArrowFile:
    """An Arrow or Parquet file; opened anew for every piece, so that memory holds no more than that piece.

    Args:
        path: the file.
        format: `arrow` or `parquet`.
        where: the dataset, for messages.

    Attributes:
        where: dataset and file, for messages.
        columns: names of the columns.

    Raises:
        DatasetError: pyarrow is missing, or the file is damaged.
    """

    def __init__(self, path: Path, format: str, where: str) -> None:
        self._path, self._parquet, self.where = path, format == "parquet", f"{where}: {path}"
        self._arrow = load_extra("pyarrow", "arrow", where)
        load_extra("pyarrow.parquet", "arrow", where)
        self._streams: dict[tuple[str, ...], _Stream] = {}
        with damage_refused(self.where):
            self._rows, self.columns = self._describe()

    def __len__(self) -> int:
        return self._rows

    def read(self, path: Sequence[str], first: int, stop: int) -> Any:
        """Return rows of a column, or of a field of it, as one Arrow array.

        Args:
            path: name of the column and of the fields within.
            first, stop: the first row and the one after the last; earlier rows than before cost more.
        """
        with damage_refused(self.where):
            pieces = self._streamed(tuple(path), first, stop) if self._parquet else self._mapped(path, first, stop)
            for piece in pieces:
                piece.validate(full=True)
            return pieces[0] if len(pieces) == 1 else self._arrow.concat_arrays(pieces)

    def _describe(self) -> tuple[int, list[str]]:
        """Return the number of rows and the names of the columns."""
        if self._parquet:
            packed = self._arrow.parquet.ParquetFile(self._path)
            return int(packed.metadata.num_rows), list(packed.schema_arrow.names)
        with self._arrow.memory_map(str(self._path)) as source:
            file = self._arrow.ipc.open_file(source)
            rows = sum(len(file.get_batch(number)) for number in range(file.num_record_batches))
            return rows, list(file.schema.names)

    def _mapped(self, path: Sequence[str], first: int, stop: int) -> list[Any]:
        with self._arrow.memory_map(str(self._path)) as source:
            file, passed, pieces = self._arrow.ipc.open_file(source), 0, []
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                part = _field(batch, path).slice(max(first - passed, 0), max(stop - max(passed, first), 0))
                if len(part) or not number:
                    pieces.append(part)
                passed += len(batch)
        return pieces

    def _streamed(self, path: tuple[str, ...], first: int, stop: int) -> list[Any]:
        stream = self._streams.get(path)
        if stream is None or stream.next_row > first:
            stream = self._streams[path] = _Stream(self._batches(path), self._arrow)
        return stream.read(first, stop)

    def _batches(self, path: tuple[str, ...]) -> Iterator[Any]:
        file = self._arrow.parquet.ParquetFile(self._path, buffer_size=_BUFFER)
        for batch in file.iter_batches(batch_size=_BATCH, columns=[".".join(path)]):
            yield _field(batch, path)


class _Stream:
    """Arrays of successive rows, of which pieces are taken in order."""

    def __init__(self, arrays: Iterator[Any], arrow: Any) -> None:
        self._arrays, self._left, self.next_row = arrays, arrow.array([]), 0

    def read(self, first: int, stop: int) -> list[Any]:
        pieces: list[Any] = []
        while self.next_row < stop or not pieces:
            if not len(self._left):
                following = next(self._arrays, None)
                if following is None:
                    break
                self._left = following
            skipped = min(max(first - self.next_row, 0), len(self._left))
            taken = self._left.slice(skipped, max(stop - self.next_row - skipped, 0))
            self._left = self._left.slice(skipped + len(taken))
            self.next_row += skipped + len(taken)
            if len(taken) or stop <= first:
                pieces.append(taken)
        return pieces


def _field(batch: Any, path: Sequence[str]) -> Any:
    values = batch.column(path[0])
    for name in path[1:]:
        values = values.field(name)
    return values
