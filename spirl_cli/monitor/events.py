"""TensorBoard event files, written without a thread and without the computer's name.

`SummaryWriter` would start a thread per run and put the host name into the file name, and so into artifacts that
people share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from spirl_cli.files import make_folder, sync
from spirl_cli.room import room_for
from spirl_cli.seals import seal

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event


class EventFile:
    """Writes scalars into one event file per session of a run; the first value creates the file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._purge: int | None = None

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append the values of one step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(step=step, summary=Summary(value=scalars))

    def add_text(self, step: int, texts: Mapping[str, str]) -> None:
        """Append texts, which TensorBoard shows as Markdown."""
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING

        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        shown = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        values = [
            Summary.Value(
                tag=name,
                metadata=shown,
                tensor=TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape=shape),
            )
            for name, text in texts.items()
        ]
        self._write(step=step, summary=Summary(value=values))

    def purge(self, step: int) -> None:
        """Tell readers to forget the values of earlier sessions at `step` and later."""
        self.close()
        self._purge = step

    def flush(self) -> None:
        """Wait until everything is on the disk, and seal it."""
        if self._file is not None:
            with room_for(Path(self._file.name)):
                self._file.flush()
                os.fsync(self._file.fileno())
            seal(Path(self._file.name))

    def close(self) -> None:
        """Close the file; the next value starts a new one."""
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None

    def _write(self, **content: object) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        if self._file is None:
            self._begin()
        self._append(Event(wall_time=time.time(), **content))

    def _begin(self) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        make_folder(self._folder)
        # TensorBoard reads the files of a folder in the order of their names.
        self._file = (self._folder / f"events.out.tfevents.{time.time_ns():020d}").open("xb")
        sync(self._folder)
        self._append(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if self._purge is not None:
            start = SessionLog(status=SessionLog.START)
            self._append(Event(wall_time=time.time(), step=self._purge, session_log=start))

    def _append(self, event: Event) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        assert self._file is not None
        with room_for(Path(self._file.name)):
            RecordWriter(self._file).write(event.SerializeToString())
            self._file.flush()
