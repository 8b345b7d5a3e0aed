"""The keys that a recipe may have, read off its schema, for suggestions in messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from spirl_cli.errors import did_you_mean
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.yaml_places import KeyPath

FROM_FILE_NAME = frozenset({"id", "profile", "method"})  # fields of Recipe that no file may set
_OF_A_FILE = ("extends", "profiles", "methods")


def suggest(path: KeyPath, kind: object) -> str:
    """Return a did-you-mean for the unknown key at ``path``; ``kind`` is the recipe's ``env.kind``.

    A key that exists elsewhere in the recipe is suggested with its section.
    """
    word = str(path[-1])
    elsewhere = [dotted for dotted in _dotted_keys(Recipe, "", kind) if dotted.endswith(f".{word}")]
    beside = did_you_mean(word, _keys_beside(path, kind))
    if elsewhere and (len(path) == 1 or not beside):
        return f" Did you mean {' or '.join(repr(dotted) for dotted in elsewhere)}?"
    return beside


def _keys_beside(path: KeyPath, kind: object) -> list[str]:
    """Return the known keys of the mapping in which ``path`` ends."""
    models: list[type[BaseModel]] = [Recipe]
    for part in path[:-1]:
        if isinstance(part, str):
            fields = [model.model_fields[part] for model in models if part in model.model_fields]
            models = [model for field in fields for model in _models(field.annotation, kind)]
    keys = [key for model in models for key in model.model_fields]
    if models == [Recipe]:
        return [key for key in (*keys, *_OF_A_FILE) if key not in FROM_FILE_NAME | {path[-1]}]
    return keys


def _dotted_keys(model: type[BaseModel], prefix: str, kind: object) -> Iterator[str]:
    for key, field in model.model_fields.items():
        yield f"{prefix}{key}"
        for inner in _models(field.annotation, kind):
            yield from _dotted_keys(inner, f"{prefix}{key}.", kind)


def _models(annotation: Any, kind: object) -> list[type[BaseModel]]:
    """Return the models inside a type such as ``tuple[Model, ...] | None``; environments by their kind."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    models = [model for argument in get_args(annotation) for model in _models(argument, kind)]
    of_kind = [model for model in models if "kind" in model.model_fields and kind in _kinds(model)]
    return of_kind or models


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(model.model_fields["kind"].annotation)
