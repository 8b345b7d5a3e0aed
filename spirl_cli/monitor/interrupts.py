"""SIGINT and SIGTERM as a flag that a training loop reads at points where it can stop safely."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Context manager during which the first SIGINT or SIGTERM only sets :attr:`requested`.

    A second signal acts as it would without this class, so that an impatient user can stop at once. The exit restores
    earlier handlers. Outside the main thread, where Python allows no handlers, the class does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_back()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._put_back()

    def _put_back(self) -> None:
        while self._previous:
            number, handler = self._previous.popitem()
            # None means a handler from outside Python, which Python cannot restore
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
