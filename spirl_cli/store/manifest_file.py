"""Reading `manifest.json`, which a stranger may have written: all of it is checked before anything uses it.

Names are checked because they become paths, sizes because Python can be made to overflow by them. What is only ever
printed is not checked here, but escaped there (`spirl_cli/printable.py`).
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

from spirl_cli.errors import ArtifactError
from spirl_cli.payload import STAGE_NAMES
from spirl_cli.printable import is_printable, printable
from spirl_cli.store.manifest import FORMAT_VERSION, InputRecord, Machine, Manifest, OutputRecord
from spirl_cli.store.names import MANIFEST, parse_reference, recipe_problem

# Far more than any artifact needs, and little enough for every command.
MAX_BYTES = 1 << 24
MAX_DEPTH = 64
MAX_INTEGER = 1 << 64
MAX_NAME = 4096  # characters, as of a path
MAX_VERSION = 10**9
MAX_INPUTS = 8

_FINGERPRINT = re.compile(r"[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")  # as `fingerprint.plain` writes what JSON lacks


def read_manifest(path: Path) -> bytes:
    """Read `manifest.json`, for `parse_manifest`.

    Raises:
        ArtifactError: when the file is missing or unreadable.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _corrupt(str(path), "it is not a file")
            return file.read(min(status.st_size, MAX_BYTES) + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"{path.parent} is not an artifact: it has no {path.name}") from None
    except IsADirectoryError:
        raise _corrupt(str(path), "it is not a file") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Decode the bytes of a manifest; `where` names the file in errors.

    Raises:
        ArtifactError: when the content is corrupt or of a newer format.
    """
    if len(data) > MAX_BYTES:
        raise _corrupt(where, f"it has more than {MAX_BYTES} bytes")
    try:
        content = json.loads(data, parse_constant=_refuse_constant)
        _check_sizes(content)
    except RecursionError:
        raise _corrupt(where, "it is nested too deeply") from None
    except ValueError as error:
        raise _corrupt(where, str(error)) from error
    if not isinstance(content, dict):
        raise _corrupt(where, "it is not a mapping")
    _check_format(content.get("format_version"), where)
    try:
        return _decode(content)
    except (KeyError, TypeError, ValueError) as error:
        raise _corrupt(where, error.args[0] if error.args else repr(error)) from error


def _without_waiting(path: str, flags: int) -> int:
    """Open a file that may be a pipe, which would wait for somebody to write into it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _corrupt(where: str, reason: str) -> ArtifactError:
    return ArtifactError(f"{where} is corrupt: {reason}", hint="move its folder elsewhere and run the stage again")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_sizes(content: object) -> None:
    """Refuse deep nesting and numbers that do not fit, without recursion of its own.

    Raises:
        ValueError: with the reason.
    """
    level = [content]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in _items(value)]
        if any(isinstance(value, int) and abs(value) >= MAX_INTEGER for value in level):
            raise ValueError("a number is too large")
        if any(isinstance(value, float) and not math.isfinite(value) for value in level):
            raise ValueError("a number is too large")
    if level:
        raise ValueError("it is nested too deeply")


def _items(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


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


def _file_problem(name: str) -> str | None:
    """Say why a name cannot be that of a file of the payload, below the artifact's folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or path.as_posix() != name:
        return "leads out of the artifact, or is no plain path in it"
    return f"is the name of the {MANIFEST}" if name == MANIFEST else None


def _matches(pattern: re.Pattern[str], what: str) -> Callable[[Any], str | None]:
    return lambda text: None if pattern.fullmatch(text) else f"is not {what}"


def _within(low: int, high: int) -> Callable[[Any], str | None]:
    return lambda number: None if low <= number < high else "is out of range"


# What is wrong with a value of the right type, by the name of its field; None: nothing.
_PROBLEMS: dict[str, Callable[[Any], str | None]] = {
    "recipe": recipe_problem,
    "fingerprint": _matches(_FINGERPRINT, "12 hexadecimal digits"),
    "sha256": _matches(_SHA256, "64 hexadecimal digits"),
    "file": _file_problem,
    "version": _within(1, MAX_VERSION),
    "bytes": _within(0, MAX_INTEGER),
}
_NAMES = ("recipe", "reference", "file")  # what becomes a path or names something


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
            raise TypeError(f"{place}{name} has the wrong type: {_shown(value)}")
        if problem := _problem(name, value):
            raise ValueError(f"{place}{name} {_shown(value)} {problem}")
    if unknown := sorted(set(content) - set(names)):
        raise ValueError(f"{place}{_shown(unknown[0])} is not a known field")
    return dict(content)


def _problem(name: str, value: Any) -> str | None:
    if name in _NAMES and (len(value) > MAX_NAME or not is_printable(value)):
        return "has control characters, or is too long"
    return _PROBLEMS[name](value) if name in _PROBLEMS else None


def _shown(value: object) -> str:
    text = printable(value if isinstance(value, str) else repr(value))
    return text if len(text) <= 80 else f"{text[:79]}…"


def _decode(content: dict[str, Any]) -> Manifest:
    data = _checked(Manifest, content, "")
    if data["stage"] not in STAGE_NAMES:
        raise ValueError(f"stage '{_shown(data['stage'])}' is not known")
    data["inputs"] = _inputs(data["inputs"], data["stage"])
    data["outputs"] = _outputs(data["outputs"])
    data["machine"] = Machine(**_checked(Machine, data["machine"], "machine."))
    data["metrics"] = {name: _number(value) for name, value in data["metrics"].items()}
    data["seconds"] = float(data["seconds"])
    _require_texts("packages", data["packages"].values())
    _require_texts("command", data["command"])
    return Manifest(**data)


def _inputs(records: Mapping[str, Any], stage: str) -> dict[str, InputRecord]:
    """Return the inputs, each of an earlier stage: so none leads back to the artifact itself.

    Raises:
        ValueError: an input is of the same stage or a later one, or there are too many.
    """
    if len(records) > MAX_INPUTS:
        raise ValueError(f"it has {len(records)} inputs")
    inputs = {}
    for name, record in records.items():
        if not is_printable(name):
            raise ValueError(f"inputs.{_shown(name)} has control characters")
        inputs[name] = InputRecord(**_checked(InputRecord, record, f"inputs.{_shown(name)}."))
        reference = parse_reference(inputs[name].reference)
        if reference is not None and STAGE_NAMES.index(reference.stage) >= STAGE_NAMES.index(stage):
            raise ValueError(f"inputs.{_shown(name)} is {reference}, from which no {stage} are made")
    return inputs


def _outputs(records: list[Any]) -> list[OutputRecord]:
    """Return the files of the payload.

    Raises:
        ValueError: two have one name.
    """
    outputs = [
        OutputRecord(**_checked(OutputRecord, record, f"outputs[{index}].")) for index, record in enumerate(records)
    ]
    if len({one.file for one in outputs}) < len(outputs):
        raise ValueError("outputs names a file twice")
    return outputs


def _number(value: object) -> float:
    if isinstance(value, str) and value not in _NOT_FINITE:
        raise ValueError(f"metrics: could not convert {_shown(value)} to a number")
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        raise TypeError(f"metrics: {_shown(value)} is not a number")
    return float(value)


def _require_texts(name: str, values: Any) -> None:
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} holds something else than text")
