"""In what two artifacts, or two sets of parameters, differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spirl_cli.errors import UsageError
from spirl_cli.store.fingerprint import canonical

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.manifest import InputRecord

ABSENT = "absent"
_LONGEST = 60  # characters of a value that are shown


@dataclass(frozen=True)
class Difference:
    """A dotted path and the two values found there; `ABSENT` where a side has none."""

    path: str
    left: Any
    right: Any

    def __str__(self) -> str:
        return f"{self.path}: {_show(self.left)} → {_show(self.right)}"


def differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Difference]:
    """Return the differences of two nested mappings, by path; 1 and 1.0 are the same."""
    ours, theirs = dict(_leaves(canonical(left), "")), dict(_leaves(canonical(right), ""))
    return [
        Difference(path, ours.get(path, ABSENT), theirs.get(path, ABSENT))
        for path in sorted(ours.keys() | theirs.keys())
        if path not in ours or path not in theirs or not _same(ours[path], theirs[path])
    ]


def diff(left: Artifact, right: Artifact) -> list[Difference]:
    """Parameters, inputs (`inputs.NAME`) and packages (`packages.NAME`) in which two differ.

    Raises:
        UsageError: for artifacts of different stages, which have nothing to compare.
    """
    ours, theirs = left.manifest, right.manifest
    if ours.stage != theirs.stage:
        raise UsageError(
            f"{left.reference} and {right.reference} are of different stages, '{ours.stage}' and '{theirs.stage}'",
            hint="compare two artifacts of one stage",
        )
    return [
        *differences({"stage_version": ours.stage_version}, {"stage_version": theirs.stage_version}),
        *differences(ours.parameters, theirs.parameters),
        *_input_differences(ours.inputs, theirs.inputs),
        *differences({"packages": ours.packages}, {"packages": theirs.packages}),
    ]


def _input_differences(left: Mapping[str, InputRecord], right: Mapping[str, InputRecord]) -> list[Difference]:
    """Return inputs with different fingerprints; the same content under two references is no difference."""
    found = []
    for name in sorted(left.keys() | right.keys()):
        ours, theirs = left.get(name), right.get(name)
        if ours is None or theirs is None or ours.fingerprint != theirs.fingerprint:
            found.append(Difference(f"inputs.{name}", _describe(ours), _describe(theirs)))
    return found


def _describe(record: InputRecord | None) -> str:
    return ABSENT if record is None else f"{record.reference} ({record.fingerprint})"


def dotted(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of nested mappings by dotted path, such as `train_rl.steps`."""
    return dict(_leaves(canonical(parameters), ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, value); a list is one value unless it holds mappings."""
    if isinstance(value, dict) and (value or not path):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _same(left: Any, right: Any) -> bool:
    return json.dumps(left) == json.dumps(right)  # unlike ==, tells True from 1


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
