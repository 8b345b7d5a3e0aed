"""The keys that a recipe may have, read off its schema, for suggestions in messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from spirl_cli.domains.registry import find_domain, kinds
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import did_you_mean
from spirl_cli.recipe.schema import Recipe, extract_type
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.recipe.yaml_places import KeyPath

FROM_FILE_NAME = frozenset({"id", "profile", "method"})  # fields of Recipe that no file may set
_OF_A_FILE = ("extends", "profiles", "methods")


def suggest(path: KeyPath, kind: object) -> str:
    """Return a did-you-mean for the unknown key at `path`; `kind` is the recipe's `env.kind`.

    A key that exists elsewhere in the recipe is suggested with its section.
    """
    word = str(path[-1])
    elsewhere = [dotted for dotted in _dotted_keys(Recipe, "", kind) if dotted.endswith(f".{word}")]
    beside = did_you_mean(word, _keys_beside(path, kind))
    if elsewhere and (len(path) == 1 or not beside):
        return f" Did you mean {' or '.join(repr(dotted) for dotted in elsewhere)}?"
    return beside


def dotted_keys(kind: object) -> frozenset[str]:
    """Return every key that a recipe with this `env.kind` can have, such as `train_skills.horizon`."""
    return frozenset(_dotted_keys(Recipe, "", kind))


def _keys_beside(path: KeyPath, kind: object) -> list[str]:
    """Return the known keys of the mapping in which `path` ends."""
    models: list[type[BaseModel]] = [Recipe]
    for part in path[:-1]:
        if isinstance(part, str):
            fields = [model.model_fields[part] for model in models if part in model.model_fields]
            models = [model for field in fields for model in models_in(field.annotation, kind)]
    keys = [key for model in models for key in model.model_fields]
    if models == [Recipe]:
        return [key for key in (*keys, *_OF_A_FILE) if key not in FROM_FILE_NAME | {path[-1]}]
    return keys


def _dotted_keys(model: type[BaseModel], prefix: str, kind: object) -> Iterator[str]:
    for key, field in model.model_fields.items():
        yield f"{prefix}{key}"
        for inner in models_in(field.annotation, kind):
            yield from _dotted_keys(inner, f"{prefix}{key}.", kind)


def models_in(annotation: Any, kind: object) -> list[type[BaseModel]]:
    """Return the models inside a type such as `tuple[Model, ...] | None`; what depends on the domain by its kind."""
    if not isinstance(annotation, type) or not issubclass(annotation, BaseModel):
        return [model for argument in get_args(annotation) for model in models_in(argument, kind)]
    sections = [find_domain(one).section for one in kinds() if kind == one or kind not in kinds()]
    if annotation is EnvSection:
        return list(sections)
    if annotation is ExtractSection:
        return [extract_type(section) for section in sections]
    return [annotation]
