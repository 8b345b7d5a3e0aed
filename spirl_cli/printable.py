"""Text from files that a stranger may have written, made safe to print.

A terminal obeys control characters: an artifact could retitle the window, hide lines or rewrite them. Bidirectional
overrides reorder what a reader sees, and lone surrogates cannot be encoded at all.
"""

from __future__ import annotations

import re

_UNSAFE = r"\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_A_LINE = re.compile(rf"[\x00-\x1f{_UNSAFE}]")
_IN_LINES = re.compile(rf"[\x00-\x08\x0b-\x1f{_UNSAFE}]")


def printable(text: str) -> str:
    r"""Return the text on one line, with escapes such as `\u001b` for what must not reach a terminal."""
    return _IN_A_LINE.sub(_escape, text)


def printable_lines(text: str) -> str:
    """Do as `printable`, but keep newlines and tabs; the text of a JSON value stays the same value."""
    return _IN_LINES.sub(_escape, text)


def is_printable(text: str) -> bool:
    """Say whether `printable` would leave the text as it is."""
    return _IN_A_LINE.search(text) is None


def size(count: int) -> str:
    """Write a number of bytes with a decimal unit: `4.2 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
