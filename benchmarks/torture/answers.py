"""What a command answered to one case, and how long it took."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hypothesis import strategies as st

from spirl_cli.cli.app import run

SECONDS = 2.0  # of the processor, for one case
ANSWERS = (0, 2, 3)
UNFIT = ("Traceback", "MemoryError", "Unable to allocate")  # also where an error of memory was called damage
Kind: TypeAlias = tuple[st.SearchStrategy[Any], Callable[[Any], None]]  # the cases, and what is done with each


class Surprise(AssertionError):
    """A command that ended in another way than with an answer."""


@dataclass
class Tally:
    """What became of the cases of one kind."""

    cases: int = 0
    slowest: float = 0.0
    codes: dict[int, int] = field(default_factory=dict)

    def add(self, code: int, seconds: float) -> None:
        """Count one command.

        Raises:
            Surprise: it took too long.
        """
        self.cases += 1
        self.codes[code] = self.codes.get(code, 0) + 1
        self.slowest = max(self.slowest, seconds)
        if seconds > SECONDS:
            raise Surprise(f"it took {seconds:.1f} s")


def answer(arguments: Sequence[str], tally: Tally) -> int:
    """Run a command in this process and return its exit code.

    Raises:
        Surprise: it took too long, or ended unexpectedly.
    """
    said, begun = io.StringIO(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = run(list(arguments))
    tally.add(code, time.process_time() - begun)
    if code not in ANSWERS or any(word in said.getvalue() for word in UNFIT):
        raise Surprise(f"{arguments} ended with {code}: {said.getvalue()[-2000:]}")
    return code
