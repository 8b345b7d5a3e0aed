"""The manifest of an artifact: its parameters, its inputs and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from spirl_cli.errors import ArtifactError
from spirl_cli.payload import STAGE_NAMES
from spirl_cli.store.fingerprint import plain
from spirl_cli.store.names import QUICK_PROFILE, Reference

# Raise it when a field is added, removed or changes its meaning; older versions must stay readable.
FORMAT_VERSION = 1

# Plain dataclasses and not pydantic models: `spirl list` reads manifests, and has to be fast.


@dataclass(frozen=True)
class InputRecord:
    """An input that was used: an artifact, or a dataset such as ``minari:D4RL/kitchen/mixed-v2``.

    ``sha256`` is that of the artifact's ``manifest.json``, which in turn lists the checksums of
    all its files; for a dataset it is that of its content.
    """

    reference: str
    fingerprint: str
    sha256: str


@dataclass(frozen=True)
class OutputRecord:
    """A file of the artifact: path relative to its folder (with ``/``), size and checksum."""

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
    """Content of ``manifest.json``. Times are ISO 8601 in UTC, durations in seconds.

    ``seconds`` counts all sessions of an interrupted and resumed run; ``version`` is the N of
    ``recipe/stage@vN``; ``commit`` ends in ``-dirty`` when tracked files had been changed.
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
        """``recipe/stage@vN``."""
        return str(Reference(self.recipe, self.stage, self.version))

    @property
    def quick(self) -> bool:
        """Whether this is a smoke test's artifact, never picked as the newest."""
        return self.profile == QUICK_PROFILE

    def to_json(self) -> bytes:
        """Return the manifest as JSON in UTF-8; floats survive the round trip exactly."""
        data = plain(asdict(self))
        ordered = {"format_version": data.pop("format_version"), **data}
        return (json.dumps(ordered, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_manifest(path: Path) -> tuple[Manifest, bytes]:
    """Read ``manifest.json``; returns it and the bytes of the file.

    Raises:
        ArtifactError: when the file is missing, unreadable, corrupt or of a newer format.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"{path.parent} is not an artifact: it has no {path.name}") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    return parse_manifest(data, str(path)), data


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Decode the bytes of a manifest; ``where`` names the file in errors.

    Raises:
        ArtifactError: when the content is corrupt or of a newer format.
    """
    try:
        content = json.loads(data)
    except ValueError as error:
        raise _corrupt(where, str(error)) from error
    if not isinstance(content, dict):
        raise _corrupt(where, "it is not a mapping")
    _check_format(content.get("format_version"), where)
    try:
        return _decode(content)
    except (KeyError, TypeError, ValueError) as error:
        raise _corrupt(where, error.args[0] if error.args else repr(error)) from error


def _corrupt(where: str, reason: str) -> ArtifactError:
    return ArtifactError(f"{where} is corrupt: {reason}", hint="move its folder elsewhere and run the stage again")


def _check_format(version: object, where: str) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _corrupt(where, "it has no format_version")
    if version > FORMAT_VERSION:
        raise ArtifactError(
            f"{where} was written by a newer spirl: it has format {version}, this version reads up to {FORMAT_VERSION}",
            hint="update spirl to read it",
        )


_KINDS: dict[str, tuple[type, ...]] = {
    "recipe": (str,),
    "stage": (str,),
    "stage_version": (int,),
    "version": (int,),
    "fingerprint": (str,),
    "profile": (str, type(None)),
    "parameters": (dict,),
    "inputs": (dict,),
    "outputs": (list,),
    "seed": (int,),
    "packages": (dict,),
    "machine": (dict,),
    "commit": (str, type(None)),
    "command": (list,),
    "started": (str,),
    "finished": (str,),
    "seconds": (int, float),
    "metrics": (dict,),
    "extra": (dict,),
    "format_version": (int,),
    "reference": (str,),
    "sha256": (str,),
    "file": (str,),
    "bytes": (int,),
    "processor": (str,),
    "cores": (int,),
}


def _checked(kind: type, content: object, place: str) -> dict[str, Any]:
    """Return the fields of a dataclass out of untrusted JSON: all there, none more, of the right types."""
    if not isinstance(content, Mapping):
        raise TypeError(f"{place or 'manifest'} is not a mapping")
    names = [item.name for item in fields(kind)]
    for name in names:
        if name not in content:
            raise ValueError(f"{place}{name} is missing")
        value = content[name]
        if not isinstance(value, _KINDS[name]) or (isinstance(value, bool)):
            raise TypeError(f"{place}{name} has the wrong type: {value!r}")
    if unknown := sorted(set(content) - set(names)):
        raise ValueError(f"{place}{unknown[0]} is not a known field")
    return dict(content)


def _decode(content: dict[str, Any]) -> Manifest:
    data = _checked(Manifest, content, "")
    if data["stage"] not in STAGE_NAMES:
        raise ValueError(f"stage '{data['stage']}' is not known")
    data["inputs"] = {
        name: InputRecord(**_checked(InputRecord, record, f"inputs.{name}.")) for name, record in data["inputs"].items()
    }
    data["outputs"] = [
        OutputRecord(**_checked(OutputRecord, record, f"outputs[{index}]."))
        for index, record in enumerate(data["outputs"])
    ]
    data["machine"] = Machine(**_checked(Machine, data["machine"], "machine."))
    data["metrics"] = {name: float(value) for name, value in data["metrics"].items()}
    data["seconds"] = float(data["seconds"])
    return Manifest(**data)
