"""What a recipe's file says once inheritance, a method, a profile and overrides are applied.

Everything here works on trees of nodes (`spirl_cli.recipe.yaml_places`), so that every
value of the result still knows the line that it comes from, in whichever file that is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from pathlib import Path

from spirl_cli.errors import UsageError, did_you_mean
from spirl_cli.recipe.folder import find_recipe, shown
from spirl_cli.recipe.yaml_limits import MAX_CHARACTERS, MAX_DEPTH
from spirl_cli.recipe.yaml_places import Node, Place, parse_value, parse_yaml

MAX_CHAIN = 16  # recipes that inherit from one another
MAX_VARIANTS = 100  # profiles, or methods, of a file
_CHAIN_HINT = "Write what they have in common into one recipe."
METHODS = Path(__file__).with_name("methods.yaml")


@dataclass(frozen=True)
class Layers:
    """A recipe with everything that it inherits: its base, its profiles, and its changes to methods."""

    path: Path
    base: Node
    profiles: dict[str, Node] = field(default_factory=dict)
    methods: dict[str, Node] = field(default_factory=dict)

    def with_method(self, name: str | None) -> Layers:
        """Return the recipe with one method on top of its base.

        Raises:
            UsageError: if there is no such method.
        """
        if name is None:
            return self
        known = (*packaged_methods(), *self.methods)
        if name not in known:
            message = f"There is no method '{name}'.{did_you_mean(name, known)}"
            raise UsageError(message, f"The methods: {', '.join(dict.fromkeys(known))}.")
        base = self.base
        for changes in (packaged_methods().get(name), self.methods.get(name)):
            base = base if changes is None else merge_recipes(base, changes)
        return replace(self, base=base)

    def with_profile(self, name: str | None) -> Node:
        """Return the base, or the base with one profile on top.

        Raises:
            UsageError: if there is no such profile.
        """
        if name is None:
            return self.base
        if name not in self.profiles:
            known = ", ".join(self.profiles) or "none"
            message = f"{shown(self.path)} has no profile '{name}'.{did_you_mean(name, self.profiles)}"
            raise UsageError(message, f"Its profiles: {known}.")
        return merge_recipes(self.base, self.profiles[name])


@cache
def packaged_methods() -> dict[str, Node]:
    """Return the methods that every recipe knows, each with what it changes."""
    return dict(read_tree(METHODS).entries)


def read_layers(path: Path) -> Layers:
    """Read a recipe and, through `extends`, all that it inherits.

    Raises:
        UsageError: if a file cannot be read, is no recipe by its form, or inherits from itself.
    """
    return _read(path, ())


def read_tree(path: Path) -> Node:
    """Return the tree of one file alone: its `extends` and `profiles` are still entries.

    Raises:
        UsageError: if the file cannot be read or is not a mapping.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:  # the last: no UTF-8, or a zero byte in the path
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"The recipe {shown(path)} cannot be read: {reason}.") from None
    tree = parse_yaml(text, shown(path))
    return _mapping(tree, "a recipe")


def parent_path(path: Path, extends: Node) -> Path:
    """Return the file that `extends` means: relative to `path`, else a packaged recipe's name.

    Raises:
        UsageError: if there is neither.
    """
    if not isinstance(extends.value, str) or "\0" in extends.value:
        raise UsageError(f"{extends.place}: extends must be a recipe's name or file.")
    beside = path.parent / extends.value
    if os.path.isfile(beside):
        return beside
    if Path(extends.value).suffix:
        hint = "A packaged recipe is inherited by its name, for example 'extends: kitchen'."
        raise UsageError(f"{extends.place}: there is no file {extends.value} beside {shown(path)}.", hint)
    try:
        return find_recipe(extends.value)
    except UsageError as error:
        raise UsageError(f"{extends.place}: {error.message}", error.hint) from None


def merge(lower: Node, upper: Node) -> Node:
    """`upper` over `lower`: mappings are merged key by key, everything else is replaced.

    A merged mapping is where `upper` has it, unless that is only an option.
    """
    if not isinstance(lower.value, dict) or not isinstance(upper.value, dict):
        return upper
    entries = dict(lower.value)
    for key, node in upper.value.items():
        entries[key] = merge(entries[key], node) if key in entries else node
    return replace(upper if upper.place.line else lower, value=entries)


def merge_recipes(lower: Node, upper: Node) -> Node:
    """Merge two recipes: as `merge`, but another kind of environment replaces the section."""
    return merge(_without(lower, "env") if _changes_kind(lower, upper) else lower, upper)


def read_overrides(overrides: Sequence[str]) -> Node:
    """Return the overrides `a.b=VALUE` together as one tree; VALUE is YAML and may contain `=`.

    Raises:
        UsageError: for text without `=`, an empty key, or a value that is no YAML.
    """
    empty = Node({}, Place("--set"))
    return _without(reduce(merge, (_override(text) for text in overrides), empty))


def _override(text: str) -> Node:
    place = Place(f"--set {text}")
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        raise UsageError(f"{place}: expected KEY=VALUE.", "For example --set train_rl.steps=100000.")
    node = parse_value(value, place)
    for part in reversed(parts):
        node = Node({part: node}, place, place)
    return node


def _read(path: Path, children: tuple[Path, ...]) -> Layers:
    tree = read_tree(path)
    profiles, methods = _variants(tree, "profiles"), _variants(tree, "methods")
    extends = tree.entries.get("extends")
    own = _without(tree, "extends", "profiles", "methods")
    if extends is None:
        return Layers(path, own, profiles, methods)
    parent = parent_path(path, extends)
    _check_chain(extends, children)
    if parent.resolve() in (*children, path.resolve()):
        hint = "A packaged recipe of the same name is inherited by its name, for example 'extends: kitchen'."
        raise UsageError(f"{extends.place}: {extends.value} inherits from itself.", hint)
    inherited = _read(parent, (*children, path.resolve()))
    return _inherit(inherited, Layers(path, own, profiles, methods))


def _check_chain(extends: Node, children: Sequence[Path]) -> None:
    """Refuse a recipe that inherits from too many files, or too large ones.

    Raises:
        UsageError: names the place of the last `extends`.
    """
    if len(children) >= MAX_CHAIN:
        raise UsageError(f"{extends.place}: more than {MAX_CHAIN} recipes inherit from one another.", _CHAIN_HINT)
    if sum(child.stat().st_size for child in children) > 2 * MAX_CHARACTERS:
        raise UsageError(f"{extends.place}: the recipes that inherit from one another are too long.", _CHAIN_HINT)


def _inherit(parent: Layers, child: Layers) -> Layers:
    profiles, methods = parent.profiles, parent.methods
    if _changes_kind(parent.base, child.base):  # settings of another environment would not fit
        profiles, methods = _without_env(profiles), _without_env(methods)
    base = merge_recipes(parent.base, child.base)
    return Layers(child.path, base, _merged(profiles, child.profiles), _merged(methods, child.methods))


def _without_env(variants: dict[str, Node]) -> dict[str, Node]:
    return {name: _without(variant, "env") for name, variant in variants.items()}


def _merged(lower: dict[str, Node], upper: dict[str, Node]) -> dict[str, Node]:
    merged = {name: merge_recipes(lower[name], node) if name in lower else node for name, node in upper.items()}
    return {**lower, **merged}


def _variants(tree: Node, key: str) -> dict[str, Node]:
    """Return what `profiles` or `methods` of a file hold, by name."""
    node = tree.entries.get(key)
    if node is None:
        return {}
    variants = _mapping(node, key).entries
    if len(variants) > MAX_VARIANTS:
        raise UsageError(f"{node.place}: there are {len(variants)} {key}; at most {MAX_VARIANTS} are read.")
    return {name: _without(_mapping(variant, f"{key}.{name}")) for name, variant in variants.items()}


def _mapping(node: Node, what: str) -> Node:
    """`node` if it is a mapping or empty."""
    if node.value is None:
        return replace(node, value={})
    if not isinstance(node.value, dict):
        raise UsageError(f"{node.place}: {what} must be a mapping (lines of 'key: value').")
    return node


def _changes_kind(lower: Node, upper: Node) -> bool:
    kind = upper.at(("env", "kind"))
    before = lower.at(("env", "kind"))
    return kind is not None and before is not None and kind.value != before.value


def _without(tree: Node, *keys: str) -> Node:
    """Return the recipe without some sections and without empty ones (all of whose lines are comments)."""
    filled = {key: node for key, node in tree.entries.items() if key not in keys and node.value is not None}
    return replace(tree, value=filled)
