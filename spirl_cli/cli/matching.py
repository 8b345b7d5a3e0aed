"""Artifacts that were made with a seed and with values of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spirl_cli.errors import UsageError, did_you_mean
from spirl_cli.store.diff import ABSENT, differences

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact


def chosen(artifacts: Sequence[Artifact], seed: int | None, settings: Sequence[str]) -> list[Artifact]:
    """Return the artifacts of a seed whose recipes have some values.

    Args:
        artifacts: to choose from.
        seed: None for any.
        settings: `train_rl.steps=1e5`, as after `--set`.

    Raises:
        UsageError: a setting is no such pair, or no recipe has its key.
    """
    wanted = dict(map(_pair, settings))
    known = {key for artifact in artifacts for key in _keys(_recipe(artifact))}
    for key in wanted if artifacts else ():
        if key not in known:
            raise UsageError(f"--set {key}: no artifact has this key.{did_you_mean(key, known)}", "see spirl show REF")
    return [
        artifact
        for artifact in artifacts
        if seed in (None, artifact.manifest.seed)
        and all(_has(_recipe(artifact), key, value) for key, value in wanted.items())
    ]


def _pair(text: str) -> tuple[str, Any]:
    from spirl_cli.recipe.yaml_places import Place, parse_value

    key, sign, value = text.partition("=")
    if not key or not sign:
        raise UsageError(f"--set {text}: this is no pair of a key and a value", "write it as KEY=VALUE")
    return key, parse_value(value, Place(f"--set {text}")).plain()


def _recipe(artifact: Artifact) -> Mapping[str, Any]:
    recorded = artifact.manifest.recorded("recipe")
    return recorded if isinstance(recorded, Mapping) else artifact.manifest.parameters


def _keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")


def _has(values: Any, key: str, wanted: Any) -> bool:
    """Say whether nested values hold one under a dotted key; 1 and 1.0 are the same, and null is nothing."""
    for part in key.split("."):
        values = values.get(part, ABSENT) if isinstance(values, Mapping) else ABSENT
    if values in (None, ABSENT) or wanted is None:
        return values in (None, ABSENT) and wanted is None
    return not differences({"value": values}, {"value": wanted})
