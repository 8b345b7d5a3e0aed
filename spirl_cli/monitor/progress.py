"""Progress bars: live on a terminal, occasional lines elsewhere; both show rate and remaining time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar as RichBar
from rich.table import Table
from rich.text import Text

LIVE_SECONDS = 0.5  # between redraws on a terminal; a redraw costs 1-2 ms
LINE_SECONDS = 10.0  # between lines in a log
_RATE_WINDOW = 30.0  # seconds over which the rate is measured
_SAMPLE_SECONDS = 0.5


class ProgressBar(Protocol):
    """The progress of one piece of work."""

    def update(self, completed: float, note: str = "") -> None:
        """Set the total number of finished units; it is cheap enough to call after every unit."""


class Pace:
    """Rate and remaining time of one piece of work, over its last half minute."""

    def __init__(self, total: float | None, unit: str, start: float, clock: Callable[[], float]) -> None:
        self.total = total
        self.unit = unit
        self.completed = start
        self._clock = clock
        self._samples = deque([(clock(), start)])

    def advance(self, completed: float) -> None:
        """Note that `completed` units are finished now."""
        self.completed = completed
        now = self._clock()
        if now - self._samples[-1][0] >= _SAMPLE_SECONDS:
            self._samples.append((now, completed))
            while len(self._samples) > 2 and self._samples[1][0] < now - _RATE_WINDOW:
                self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """Units per second; None until it can be measured."""
        since, completed = self._samples[0]
        seconds = self._clock() - since
        return (self.completed - completed) / seconds if seconds > 0 and self.completed > completed else None

    def __str__(self) -> str:
        """Return for example `1,200/40,000 iterations (3%), 250/s, 2:35 left`."""
        done = int(self.completed)  # a unit counts once it is complete
        parts = [f"{done:,} {self.unit}"]
        if self.total is not None:
            share = int(100 * self.completed / self.total) if self.total else 100
            parts = [f"{done:,}/{self.total:,.0f} {self.unit} ({share}%)"]
        if rate := self.rate:
            parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
            if self.total is not None and self.completed < self.total:
                parts.append(f"{duration((self.total - self.completed) / rate)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return `m:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class SilentBar:
    """A bar that shows nothing."""

    def __enter__(self) -> SilentBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, completed: float, note: str = "") -> None:
        """Do nothing."""


class LineBar:
    """Progress as plain lines: at the first update, at most every ten seconds, and at the end."""

    def __init__(
        self,
        write: Callable[[str], None],
        description: str,
        total: float | None,
        unit: str,
        start: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._description = description
        self._pace = Pace(total, unit, start, clock)
        self._clock = clock
        self._note = ""
        self._due = clock()
        self._written: float | None = None  # units finished at the last line

    def __enter__(self) -> LineBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pace.completed != self._written:
            self._line()

    def update(self, completed: float, note: str = "") -> None:
        """Note progress; write a line if one is due."""
        self._note = note
        self._pace.advance(completed)
        if self._clock() >= self._due:
            self._line()

    def _line(self) -> None:
        note = f", {self._note}" if self._note else ""
        self._write(f"{self._description}: {self._pace}{note}")
        self._written = self._pace.completed
        self._due = self._clock() + LINE_SECONDS


class LiveBar:
    """A bar on a terminal, drawn from the caller's thread, so that no other thread competes with the work."""

    def __init__(self, console: Console, description: str, total: float | None, unit: str, start: float = 0) -> None:
        self._description = description
        self._pace = Pace(total, unit, start, time.monotonic)
        self._note = ""
        self._due = 0.0
        # Stdout stays untouched; otherwise rich would redirect it to this console, which is stderr.
        self._live = Live(console=console, auto_refresh=False, get_renderable=self._draw, redirect_stdout=False)

    def __enter__(self) -> LiveBar:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.refresh()
        self._live.stop()

    def update(self, completed: float, note: str = "") -> None:
        """Note progress; redraw a few times per second."""
        self._note = note
        self._pace.advance(completed)
        now = time.monotonic()
        if now >= self._due:
            self._due = now + LIVE_SECONDS
            self._live.refresh()

    def _draw(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        for _ in range(4):
            grid.add_column(no_wrap=True, overflow="ellipsis")
        bar = RichBar(self._pace.total, self._pace.completed, width=16, pulse=self._pace.total is None)
        grid.add_row(Text(self._description), bar, Text(str(self._pace)), Text(self._note, style="dim"))
        return grid
