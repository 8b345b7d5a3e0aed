"""The standard streams: stdout is for the result alone, and talk that nobody can read stops nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

STDOUT, STDERR = 1, 2


class LossyStream:
    """A text stream that drops what cannot be written: its reader has left, its disk is full, its terminal is gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, or drop them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream if that is possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Return whatever else the stream has."""
        return getattr(self._stream, name)


def guard_stderr() -> None:
    """Make sure that there are standard streams, and that talk on stderr never fails.

    A command may be started with closed streams; the next file that it opens would then become its
    stdout or stderr, and whatever a library prints would end in that file.
    """
    for number in (0, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
    stderr = sys.stderr if sys.stderr is not None else open(STDERR, "w", closefd=False)
    sys.stderr = stderr if isinstance(stderr, LossyStream) else LossyStream(stderr)


@contextlib.contextmanager
def foreign_output_on_stderr() -> Iterator[None]:
    """Send to stderr whatever is printed meanwhile, by Python or a library below it, here or in child processes."""
    with contextlib.suppress(AttributeError, OSError):
        sys.stdout.flush()
    result = os.dup(STDOUT)  # not inherited by children
    os.dup2(STDERR, STDOUT)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _flush_everything()
        os.dup2(result, STDOUT)
        os.close(result)


def _flush_everything() -> None:
    """Write out what Python and the C library still hold for stdout."""
    import ctypes

    for stream in (sys.__stdout__, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()  # type: ignore[union-attr]
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).fflush(None)


_shown: set[str] = set()


def show_warnings_once(known: Iterable[str] = ()) -> None:
    """Show each Python warning once in this process, however often environments are made and reset.

    Args:
        known: warnings that were shown already, from `shown_warnings` of another process.
    """
    _shown.update(known)
    show = warnings.showwarning

    def show_once(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        text = f"{category.__name__}: {message}"
        if text not in _shown:
            _shown.add(text)
            show(message, category, *place, **more)

    warnings.showwarning = show_once


def remember_shown(texts: Iterable[str]) -> None:
    """Show these warnings, from `shown_warnings` of another process, in this one no more."""
    _shown.update(texts)


def shown_warnings() -> frozenset[str]:
    """Return the warnings that were shown in this process."""
    return frozenset(_shown)
