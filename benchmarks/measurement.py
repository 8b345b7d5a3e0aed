"""A measured value with the limit that it must keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Measurement:
    """One line of the report.

    Attributes:
        name: what was measured.
        value: the measured value, in `unit`.
        unit: unit of value and limit.
        limit: the largest or smallest allowed value.
        bound: whether `limit` is the largest or the smallest allowed value.
        detail: the numbers behind the value, in one short line.
        parts: the numbers behind the value, for `--json`.
        disturbed: whether other work kept the processor busy, so that the value is meaningless.
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
        """Whether the limit is kept; False for NaN and for a disturbed measurement."""
        if self.disturbed:
            return False
        return self.value <= self.limit if self.bound == "at most" else self.value >= self.limit

    def as_json(self) -> dict[str, Any]:
        """Return the measurement as plain data."""
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
