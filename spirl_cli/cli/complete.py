"""What the shell offers after <TAB>. Must be fast, and must never fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import typer

Completer = Callable[[typer.Context, str], list[tuple[str, str]]]


def recipes(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the names of packaged recipes, each with its one-line summary."""
    from spirl_cli.recipe.library import list_recipes

    try:
        return _starting(incomplete, ((recipe.name, recipe.summary) for recipe in list_recipes()))
    except Exception:  # a broken recipe file must not break the shell's line
        return []


def methods(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the methods that every recipe knows."""
    from spirl_cli.recipe.layers import packaged_methods

    return _starting(incomplete, ((name, "") for name in packaged_methods()))


def recipe_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the ids of recipes that have artifacts."""
    from spirl_cli.store.names import RESERVED

    try:
        folders = sorted(path.name for path in _root(context).iterdir() if path.is_dir() and path.name not in RESERVED)
        return _starting(incomplete, ((name, "") for name in folders if not name.startswith(".")))
    except OSError:
        return []


def references(stage: str | None = None) -> Completer:
    """Return a completer that offers the artifacts of one stage, or all, newest first."""

    def complete(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        from spirl_cli.store.store import Store

        try:
            recipe, slash, _ = incomplete.partition("/")
            found = reversed(Store(_root(context)).artifacts(recipe if slash else None, stage))
            return _starting(incomplete, ((one.reference, one.head.finished[:16]) for one in found))
        except Exception:  # the same here: a half-broken store still has a command line
            return []

    return complete


def _root(context: typer.Context) -> Path:
    given = context.params.get("artifacts") or context.params.get("root")
    return Path(given or os.environ.get("SPIRL_ARTIFACTS") or "artifacts")


def _starting(incomplete: str, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, text) for name, text in pairs if name.startswith(incomplete)]
