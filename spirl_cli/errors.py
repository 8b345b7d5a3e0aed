"""Errors that a user can act on, each with the exit code of the command line's contract.

Everything that can go wrong because of input, data or the machine is raised as a
`SpirlError`; `spirl_cli.cli` prints it as one short paragraph on stderr and
exits with its code. Anything else is a bug and exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_TOLD = 500  # characters of a foreign error's message


class SpirlError(Exception):
    """What is wrong and, in `hint`, what to type next.

    Args:
        message: one or two sentences: what is wrong, and where.
        hint: what the user can do about it; empty when there is nothing to suggest.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SpirlError):
    """Wrong usage or a wrong recipe (exit code 2)."""

    exit_code = 2


class ArtifactError(SpirlError):
    """A missing, corrupt or incompatible artifact or dataset (exit code 3)."""

    exit_code = 3


class DatasetError(ArtifactError):
    """A dataset that cannot be found or whose content is refused (exit code 3)."""


class DivergedError(SpirlError):
    """Training produced a non-finite number; the last good checkpoint is kept (exit code 4)."""

    exit_code = 4


class NotFiniteError(SpirlError):
    """An environment returned a number that is not finite, which is not the policy's fault (exit code 4)."""

    exit_code = 4


class Interrupted(SpirlError):
    """A signal that asks to stop arrived and the state was saved; resumable (exit code 130)."""

    exit_code = 130


def told(error: BaseException) -> str:
    """Return the type and message of an exception of foreign code on one line, whatever is in its message."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # a message can be code too
        text = "its message cannot be read"
    text = text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""
