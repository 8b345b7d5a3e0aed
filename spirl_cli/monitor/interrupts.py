"""Signals that ask to stop as a flag that a training loop looks at where it is safe to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from spirl_cli.monitor.signals import heeded
from spirl_cli.monitor.streams import STDERR

_FIRST = "\nstopping at the next safe point, where what is done is saved; a second signal ends this at once, unsaved\n"


class Interrupts:
    """Context manager during which the first signal that asks to stop only sets `requested`, and says so.

    A second signal acts as it would without this class, so that an impatient user can stop at once; if it would be
    ignored, it raises KeyboardInterrupt. The exit restores earlier handlers.
    Outside the main thread, where Python allows no handlers, the class does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in heeded():
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_back()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._put_back()  # what a second signal then meets; the exit does it again
        if signal.getsignal(number) is signal.SIG_IGN:  # shells start jobs in the background so
            signal.signal(number, signal.default_int_handler)
        with contextlib.suppress(OSError):
            os.write(STDERR, _FIRST.encode())  # `print` must not interrupt another `print`

    def _put_back(self) -> None:
        for number, handler in self._previous.items():
            # None means a handler from outside Python, which Python cannot restore
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
