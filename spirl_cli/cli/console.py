"""Where output goes: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from spirl_cli import strict_json
from spirl_cli.errors import Interrupted, SpirlError, UsageError
from spirl_cli.printable import printable, printable_lines


def emit(text: str) -> None:
    """Print a result on stdout. A reader that closed the pipe ends the program quietly.

    Raises:
        SpirlError: the result cannot be written, for instance to a disk that is full.
    """
    try:
        print(printable_lines(text), flush=True)
    except OSError as error:
        # what python would still flush at exit has to go somewhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(0) from None
        raise SpirlError(
            f"the result cannot be written to stdout: {error.strerror}",
            "what was made is kept: the same command prints it again",
        ) from error


def emit_json(value: Any) -> None:
    """Print a result on stdout as one JSON value.

    Numbers that are not finite are null; what stdout cannot encode is escaped as JSON does it.
    """
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    emit(strict_json.dumps(value, indent=2, ascii_only=not unicode))


def note(text: str) -> None:
    """Say something on stderr."""
    _say(printable_lines(text))


def say_error(error: SpirlError) -> None:
    """Print an error and what to type next as one short paragraph on stderr."""
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    label = "\033[1;31merror:\033[0m " if colour else "error: "
    message = printable_lines(error.message)
    _say(message if isinstance(error, Interrupted) else label + message)
    if error.hint:
        note(f"hint: {error.hint}")


def folder_is_gone() -> UsageError:
    """Return the error of a working folder that was deleted: not even torch can be loaded from there."""
    return UsageError("The working folder was deleted.", "go to a folder that exists, for example with `cd ~`")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align rows under a header with two spaces between columns."""
    table = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(header))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    return "\n".join(line.rstrip() for line in lines)


def number(value: float) -> str:
    """Write a number with at most four significant digits, whole ones in full."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def metrics_line(metrics: Mapping[str, float], limit: int | None = None) -> str:
    """Write headline metrics as `name value` pairs on one line."""
    shown = list(metrics.items())[:limit]
    text = " · ".join(f"{name} {number(value)}" for name, value in shown)
    return text + (" · …" if limit is not None and len(metrics) > limit else "")


def duration(seconds: float) -> str:
    """Write a duration as `12 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
