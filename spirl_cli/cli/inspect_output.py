"""A survey of a dataset as plain tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spirl_cli.cli.console import columns, number
from spirl_cli.printable import size

Summary = Mapping[str, Any]
_SHOWN = 6  # places of constant numbers in a cell


def describe(found: Summary) -> str:
    """Return a survey's summary as text: facts, observations, actions, what the reader says, what to do."""
    parts = [
        _facts(found),
        _observations(found["observations"]),
        _actions(found["actions"]),
        _outcomes(found["outcomes"]),
        _listed("notes of the reader", found["notes"]),
        _listed("to do", found["advice"]),
    ]
    return "\n\n".join(part for part in parts if part)


def describe_together(differences: Sequence[str]) -> str:
    """Return what keeps several datasets from being learned from together, as text."""
    if differences:
        return _listed("not to be learned from together", differences)
    return "they hold the same observations and actions: all can be listed in extract.dataset"


def _facts(found: Summary) -> str:
    rows = [
        ("dataset", found["dataset"]),
        ("format", f"{found['format']}, {found['files']} file{_s(found['files'])}, {size(found['bytes'])}"),
        ("recorded in", found["recorded_in"]),
        ("episodes", _episodes(found)),
        ("lengths", _lengths(found["lengths"])),
        ("windows", found["windows"]["sentence"] if found["lengths"] else None),
    ]
    return "\n".join(f"{name:<12} {text}" for name, text in rows if text)


def _episodes(found: Summary) -> str | None:
    if found["episodes"] is None:
        return None
    read, count = found["episodes_read"], found["episodes"]
    all_read = "all read" if read == count else f"the first {read} read, see --episodes"
    return f"{count:,} of {found['steps']:,} steps ({all_read})"


def _lengths(lengths: Summary | None) -> str | None:
    if lengths is None:
        return None
    return f"{number(lengths['min'])} to {number(lengths['max'])} steps, median {number(lengths['median'])}"


def _observations(found: Sequence[Summary]) -> str:
    rows = [
        [one["key"] or "(plain array)", _shape(one), one["dtype"], _range(one), _faults(one), one["use"]]
        for one in found
    ]
    return columns(("OBSERVATION", "SHAPE", "TYPE", "RANGE", "CONSTANT, NAN", "SPIRL"), rows) if rows else ""


def _actions(found: Summary | None) -> str:
    if found is None:
        return ""
    low, high = found["bounds"] or ([None] * len(found["ranges"]), [None] * len(found["ranges"]))
    rows = [
        [
            str(place),
            _between(*found["ranges"][place]),
            _between(low[place], high[place]),
            f"{found['beyond'][place]:,}" if found["bounds"] else "-",
            "constant" if place in found["constants"] else "-",
        ]
        for place in range(len(found["ranges"]))
    ]
    table = columns(("ACTION", "RANGE", "BOUNDS", "STEPS BEYOND", "CONSTANT"), rows)
    share = found["share_beyond"]
    beyond = "" if share is None else f"; beyond their bounds at {share:.2%} of the steps"
    faults = "" if not found["nan"] + found["infinite"] else f"; {found['nan']} NaN, {found['infinite']} infinite"
    return f"{table}\n{len(rows)} numbers of {found['dtype']}{beyond}{faults}"


def _outcomes(found: Sequence[Summary]) -> str:
    rows = [
        [one["name"], _between(one["low"], one["high"]), "-" if one["mean"] is None else number(one["mean"])]
        for one in found
    ]
    return columns(("RECORDED", "RANGE", "MEAN"), rows) if rows else ""


def _shape(one: Summary) -> str:
    return "×".join(map(str, one["shape"])) or "number"


def _range(one: Summary) -> str:
    return f"{_between(one['low'], one['high'])}{' (image)' if one['image'] else ''}"


def _between(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{number(low)} … {number(high)}"


def _faults(one: Summary) -> str:
    places = ", ".join(map(str, one["constants"][:_SHOWN])) + (", …" if len(one["constants"]) > _SHOWN else "")
    constant = f"{len(one['constants'])} constant ({places})" if one["constants"] else ""
    faults = [constant, f"{one['nan']} NaN" if one["nan"] else "", f"{one['infinite']} inf" if one["infinite"] else ""]
    return ", ".join(filter(None, faults)) or "-"


def _listed(title: str, sentences: Sequence[str]) -> str:
    return "\n".join([f"{title}:", *(f"  - {sentence}" for sentence in sentences)]) if sentences else ""


def _s(count: int) -> str:
    return "" if count == 1 else "s"
