"""A measured figure with the limit that it must keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """One line of the report.

    Attributes:
        name: what was measured.
        value: the measured value, in ``unit``.
        unit: of value and limit.
        limit: what the value must keep.
        bound: whether ``limit`` is the largest or the smallest value that is allowed.
        detail: what the value was made from, in one short line.
        parts: the same as numbers, for ``--json``.
        disturbed: other work kept the processor busy, so that the value says nothing.
    """

    name: str
    value: float
    unit: str
    limit: float
    bound: Literal["at most", "at least"]
    detail: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)
    disturbed: bool = False

    @property
    def passed(self) -> bool:
        """Whether the limit is kept; not by a value that is not a number, or was disturbed."""
        if self.disturbed:
            return False
        return self.value <= self.limit if self.bound == "at most" else self.value >= self.limit

    def as_json(self) -> dict[str, Any]:
        """Return the figure as plain data."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit,
            "bound": self.bound,
            "passed": self.passed,
            "disturbed": self.disturbed,
            "parts": dict(self.parts),
        }
