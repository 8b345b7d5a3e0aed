"""The packaged recipes: listing, copying and checking them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spirl_cli.errors import UsageError
from spirl_cli.recipe.folder import (
    SUFFIXES,
    find_recipe,
    packaged_recipes,
    recipe_folder,
    recipe_id,
    shown,
)
from spirl_cli.recipe.layers import read_layers
from spirl_cli.recipe.moving import moved_text

__all__ = [
    "RecipeInfo",
    "check_new",
    "check_recipe",
    "copy_recipe",
    "find_recipe",
    "list_recipes",
    "packaged_recipes",
    "recipe_folder",
    "write_new",
]


@dataclass(frozen=True)
class RecipeInfo:
    """A packaged recipe as a list shows it."""

    name: str  # what to type: "kitchen", "paper/kitchen"
    path: Path
    summary: str  # first line of its opening comment
    profiles: tuple[str, ...]  # inherited ones included


def list_recipes() -> list[RecipeInfo]:
    """All packaged recipes, plain names before nested ones; does not import pydantic.

    Raises:
        UsageError: if one of the files is no readable YAML.
    """
    return [
        RecipeInfo(name, path, _summary(path), tuple(read_layers(path).profiles))
        for name, path in packaged_recipes().items()
    ]


def copy_recipe(name: str, destination: Path) -> Path:
    """Copy a recipe to edit it; the copy inherits from where the original does, and names the same files.

    Args:
        name: a packaged recipe's name, or a path.
        destination: the new file, or a folder that exists (then the file is named after the recipe's id).

    Returns:
        The new file's path.

    Raises:
        UsageError: if the file exists, cannot be written or is not called `*.yaml`.
    """
    source = find_recipe(name)
    target = destination / f"{recipe_id(source)}.yaml" if destination.is_dir() else destination
    write_new(target, moved_text(source, target))
    return target


def check_new(target: Path) -> None:
    """Check that a new recipe can have this file's name.

    Raises:
        UsageError: it exists, or is not called `*.yaml`.
    """
    if target.suffix not in SUFFIXES:
        raise UsageError(f"A recipe's file must end in .yaml, unlike {target}.")
    if target.exists():
        raise _exists(target)


def write_new(target: Path, text: str) -> None:
    """Write a recipe to a file that does not exist.

    Raises:
        UsageError: if the file exists, cannot be written or is not called `*.yaml`.
    """
    check_new(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        raise UsageError(f"{shown(target)} cannot be written: {error.strerror}.") from None


def _exists(target: Path) -> UsageError:
    return UsageError(f"{shown(target)} exists already.", "Give another name.")


def check_recipe(ref: str | Path) -> list[str]:
    """Return what is wrong with a recipe and each of its profiles, a sentence with place each; empty if nothing."""
    from spirl_cli.recipe.load import check_layers  # imports pydantic

    try:
        return check_layers(read_layers(find_recipe(ref)))
    except UsageError as error:
        return [f"{error.message} {error.hint}".strip()]


def _summary(path: Path) -> str:
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.lstrip("# ").strip()
        if line.startswith("#") and text:
            return text
        if text:
            break
    return ""
