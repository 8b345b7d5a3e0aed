"""What a manifest says of how its recipe differs from the one that its name stands for."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from spirl_cli.store.manifest import Manifest

CHANGES = "changes"  # in the manifest of an artifact


def recorded_changes(manifest: Manifest) -> dict[str, str]:
    """Return what was changed for an artifact, text by dotted key; for older ones, what was typed after `--set`."""
    recorded = manifest.recorded(CHANGES)
    if isinstance(recorded, Mapping):
        return {str(key): _text(value) for key, value in recorded.items()}
    typed = [word for flag, word in zip(manifest.command, manifest.command[1:], strict=False) if flag == "--set"]
    pairs = (word.partition("=") for word in typed if "=" in word)
    return {key: value for key, _, value in pairs if not is_seed(key)}


def changes_text(found: Mapping[str, str]) -> str:
    """Write changes as they would be typed after `--set`."""
    return " ".join(shlex.quote(f"{key}={value}") for key, value in found.items())


def is_seed(key: str) -> bool:
    """Say whether a dotted key is that of a seed, which is no change of a recipe."""
    return key.split(".")[-1] == "seed"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
