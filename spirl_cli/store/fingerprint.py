"""Identity of an artifact: a hash of what determines its content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DIGITS = 12
_CHUNK = 1 << 20  # bytes


def plain(value: object) -> Any:
    """Return `value` as data that JSON can hold exactly.

    Tuples become lists, keys become strings, and the non-finite floats, which JSON lacks, become
    the strings "NaN", "Infinity" and "-Infinity" (`float()` reads them back).

    Raises:
        TypeError: for anything but mappings, sequences, strings, numbers, booleans and None.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _plain_float(float(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be stored in a manifest: {value!r}")


def _plain_float(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def canonical(value: object) -> Any:
    """Like `plain`, but what means the same looks the same.

    1.0 becomes 1 and -0.0 becomes 0. Keys whose value is null are left out: null switches an option
    off, so an option that a later version adds does not make older artifacts stale.
    """
    return _unified(plain(value))


def _unified(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _unified(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_unified(item) for item in value]
    return value


def fingerprint(stage: str, stage_version: int, parameters: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Fingerprint of the artifact that a stage makes.

    Args:
        stage: name of the stage, such as `skills`.
        stage_version: raised when the stage's code changes what it produces.
        parameters: the resolved parameters that affect the result, seed included.
        inputs: name of each input -> its fingerprint.

    Returns:
        12 hexadecimal digits of the SHA-256 of the canonical JSON (sorted keys, floats by repr).
    """
    identity = {"stage": stage, "stage_version": stage_version, "parameters": parameters, "inputs": inputs}
    return _hash(canonical(identity))


def is_fingerprint_of(
    claimed: str, stage: str, stage_version: int, parameters: Mapping[str, Any], inputs: Mapping[str, str]
) -> bool:
    """Say whether a fingerprint is that of what `fingerprint` takes; the first artifacts counted nulls too."""
    identity = {"stage": stage, "stage_version": stage_version, "parameters": parameters, "inputs": inputs}
    return claimed in (_hash(canonical(identity)), _hash(plain(identity)))


def _hash(identity: object) -> str:
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:_DIGITS]


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content as 64 hexadecimal digits, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
