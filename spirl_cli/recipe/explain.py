"""What each key of a recipe means, read off the classes of its sections and the comments beside their fields.

The comment above or beside a field is its description: what the key means, then perhaps `Unit: …` and `Try: …`.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from spirl_cli.domains.registry import kinds
from spirl_cli.errors import UsageError, did_you_mean
from spirl_cli.recipe.fields import FROM_FILE_NAME, models_in
from spirl_cli.recipe.schema import Recipe

_MARKS = re.compile(r"\s*\b(Unit|Try): ")
_SIGNS = {Gt: "greater than", Ge: "at least", Lt: "less than", Le: "at most"}
_FACTS = {Gt: "gt", Ge: "ge", Lt: "lt", Le: "le"}
_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", NoneType: "null"}


@dataclass(frozen=True)
class KeyMeaning:
    """A key of a recipe, explained.

    Attributes:
        key: dotted, such as `train_skills.horizon`.
        kinds: the values of `env.kind` with which a recipe has it.
        meaning: what it means, as a sentence.
        type: which values it takes, in words.
        default: as in JSON; None also where it is required.
        required: whether a recipe has to give it.
        unit: of a number, or an empty text.
        advice: what to try, or an empty text.
    """

    key: str
    kinds: tuple[str, ...]
    meaning: str
    type: str
    default: Any
    required: bool
    unit: str
    advice: str


@cache
def explain_all() -> tuple[KeyMeaning, ...]:
    """Explain every key that a recipe of any domain can have, in the order of the sections."""
    found: dict[tuple[str, str, str], list[str]] = {}
    meanings: dict[tuple[str, str, str], KeyMeaning] = {}
    for kind in kinds():
        for one in _explained(Recipe, "", kind):
            same = (one.key, one.meaning, f"{one.type} {one.default}")  # in several domains
            found.setdefault(same, []).append(kind)
            meanings.setdefault(same, one)
    order = {key: place for place, key in enumerate(dict.fromkeys(one.key for one in meanings.values()))}
    every = [KeyMeaning(**{**vars(one), "kinds": tuple(found[same])}) for same, one in meanings.items()]
    sections = list(Recipe.model_fields)
    return tuple(sorted(every, key=lambda one: (sections.index(one.key.split(".")[0]), order[one.key])))


def explain(key: str | None) -> list[KeyMeaning]:
    """Explain one key, in each of its meanings; of a section all keys; without a key every one.

    Args:
        key: dotted, such as `train_skills.horizon`, a section such as `train_rl`, or None.

    Raises:
        UsageError: no recipe has such a key.
    """
    every = explain_all()
    if key is None:
        return list(every)
    found = [one for one in every if one.key == key or one.key.startswith(f"{key}.")]
    if not found:
        raise UsageError(f"{key} is not a known key.{_suggestion(key, every)}", "'spirl recipe explain' lists all keys")
    return found


def _suggestion(key: str, every: tuple[KeyMeaning, ...]) -> str:
    """Return a did-you-mean: the keys of this name in any section, else the closest."""
    names = list(dict.fromkeys(one.key for one in every))
    last = key.rpartition(".")[2]
    elsewhere = [name for name in names if name.endswith(f".{last}")]
    if elsewhere:
        return f" Did you mean {' or '.join(repr(name) for name in elsewhere[:4])}?"
    close = did_you_mean(key, names)
    return close or did_you_mean(key, [name.rpartition(".")[2] for name in names])


def _explained(model: type[BaseModel], prefix: str, kind: str) -> Iterator[KeyMeaning]:
    for name, field in model.model_fields.items():
        if not prefix and name in FROM_FILE_NAME:
            continue
        inner = models_in(field.annotation, kind)
        yield _meaning(f"{prefix}{name}", kind, field, description(model, name), bool(inner))
        for below in inner:
            yield from _explained(below, f"{prefix}{name}.", kind)


def _meaning(key: str, kind: str, field: FieldInfo, text: str, nested: bool) -> KeyMeaning:
    parts = _MARKS.split(text)
    marked = dict(zip(parts[1::2], parts[2::2], strict=True))
    default = None if field.is_required() else _plain(field.get_default(call_default_factory=True))
    return KeyMeaning(
        key,
        (kind,),
        _sentence(parts[0]),
        _type_words(field.annotation, tuple(field.metadata), nested),
        default,
        field.is_required(),
        marked.get("Unit", "").rstrip(". "),
        _sentence(marked.get("Try", "")),
    )


def description(model: type[BaseModel], name: str) -> str:
    """Return the comment that describes a field of a section, from the class that declares it; empty without one."""
    for base in model.__mro__:
        text = _comments(base).get(name) if issubclass(base, BaseModel) else None
        if text:
            return text
    return ""


@cache
def _comments(model: type[BaseModel]) -> dict[str, str]:
    """Return the comments above and beside the fields that a class declares itself, by field."""
    try:
        source = textwrap.dedent(inspect.getsource(model))
    except (OSError, TypeError):  # a class that was made when it was needed
        return {}
    (declared,) = ast.parse(source).body
    assert isinstance(declared, ast.ClassDef)
    lines = source.splitlines()
    fields = [node for node in declared.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    return {node.target.id: _comment(node, lines) for node in fields if isinstance(node.target, ast.Name)}


def _comment(node: ast.AnnAssign, lines: list[str]) -> str:
    """Join the lines of comment above a field, and the one beside it."""
    top = node.lineno - 1
    while top and lines[top - 1].lstrip().startswith("#"):
        top -= 1
    above = [line.strip().lstrip("# ") for line in lines[top : node.lineno - 1]]
    last = lines[(node.end_lineno or node.lineno) - 1].encode()[node.end_col_offset :].decode()
    return " ".join([*above, last.strip().lstrip("# ")]).strip()


def _sentence(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return None if value is PydanticUndefined else value


def _type_words(annotation: Any, metadata: tuple[Any, ...] = (), nested: bool = False) -> str:
    """Say which values a type takes: `an integer, at least 1`, `one of any, in-order`, `a list of …`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_words(arguments[0], (*arguments[1:], *metadata), nested)
    if origin is Literal:
        choices = [_choice(choice) for choice in arguments]
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    if origin is tuple:
        return _list_words(arguments, metadata)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a mapping of the keys below" if nested else "a mapping"
    if origin is dict:
        return "a mapping"
    if arguments:  # a union
        return " or ".join(dict.fromkeys(_type_words(one, metadata, nested) for one in arguments))
    return ", ".join([_WORDS.get(annotation, "a value"), *(_limits(metadata) if annotation is not NoneType else [])])


def _choice(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list_words(arguments: tuple[Any, ...], metadata: tuple[Any, ...]) -> str:
    least = [f"at least {one.min_length}" for one in metadata if isinstance(one, MinLen)]
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return ", ".join([f"a list, each {_type_words(arguments[0], (), False)}", *least])
    return f"a list of {len(arguments)}, each {_type_words(arguments[0], (), False)}"


def _limits(metadata: tuple[Any, ...]) -> list[str]:
    """Say the limits of a number that stand in the metadata of its type; pydantic's own fields hold some more."""
    flat = [inner for one in metadata for inner in getattr(one, "metadata", [one])]
    found = [f"{_SIGNS[type(one)]} {getattr(one, _FACTS[type(one)]):g}" for one in flat if type(one) in _SIGNS]
    patterns = [f"matching {one.pattern}" for one in flat if getattr(one, "pattern", None)]
    return [*found, *patterns]
