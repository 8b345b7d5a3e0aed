"""A reporter that remembers what it is told."""

from __future__ import annotations

from spirl_cli.monitor.reporter import SilentReporter


class Recorder(SilentReporter):
    """Shows nothing and remembers messages and warnings."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.warnings: list[str] = []

    def message(self, text: str) -> None:
        """Remember a message."""
        self.messages.append(text)

    def warn(self, text: str) -> None:
        """Remember a warning."""
        self.warnings.append(text)
