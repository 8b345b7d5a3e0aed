"""The manifest of an artifact: its parameters, its inputs and its files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from spirl_cli.store.fingerprint import plain
from spirl_cli.store.names import QUICK_PROFILE, Reference

# Raise it when a field is added, removed or changes its meaning; older versions must stay readable.
FORMAT_VERSION = 1

# Plain dataclasses and not pydantic models: `spirl list` reads manifests, and has to be fast.


@dataclass(frozen=True)
class InputRecord:
    """An input that was used: an artifact, or a dataset such as `minari:D4RL/kitchen/mixed-v2`.

    `sha256` is that of the artifact's `manifest.json`, which in turn lists the checksums of
    all its files; for a dataset it is that of its content.
    """

    reference: str
    fingerprint: str
    sha256: str


@dataclass(frozen=True)
class OutputRecord:
    """A file of the artifact: path relative to its folder (with `/`), size and checksum."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Machine:
    """Where the artifact was made: the processor's name and how many cores could be used."""

    processor: str
    cores: int


@dataclass(frozen=True)
class Manifest:
    """Content of `manifest.json`. Times are ISO 8601 in UTC, durations in seconds.

    `seconds` counts all sessions of an interrupted and resumed run; `version` is the N of
    `recipe/stage@vN`; `commit` ends in `-dirty` when tracked files had been changed.
    """

    recipe: str
    stage: str
    stage_version: int
    version: int
    fingerprint: str
    profile: str | None
    parameters: dict[str, Any]
    inputs: dict[str, InputRecord]
    outputs: list[OutputRecord]
    seed: int
    packages: dict[str, str]
    machine: Machine
    commit: str | None
    command: list[str]
    started: str
    finished: str
    seconds: float
    metrics: dict[str, float]
    extra: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    @property
    def reference(self) -> str:
        """`recipe/stage@vN`."""
        return str(Reference(self.recipe, self.stage, self.version))

    @property
    def quick(self) -> bool:
        """Whether this is a smoke test's artifact, never picked as the newest."""
        return self.profile == QUICK_PROFILE

    def recorded(self, *keys: str) -> Any:
        """Return what `extra` holds under nested keys, None where there is nothing."""
        value: Any = self.extra
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def to_json(self) -> bytes:
        """Return the manifest as JSON in UTF-8; floats survive the round trip exactly."""
        data = plain(asdict(self))
        ordered = {"format_version": data.pop("format_version"), **data}
        text = json.dumps(ordered, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        # a command line may hold bytes that are no UTF-8: their stand-ins are escaped, as JSON does it too
        return text.encode("utf-8", "backslashreplace")
