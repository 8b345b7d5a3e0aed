"""Importing the module of a recipe that registers its environment, from wherever a user may have put it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from spirl_cli.domains.farama import silence_notices
from spirl_cli.errors import UsageError, told

_SUFFIX = ".py"


def import_module(name: str, recipe_folder: Path | None) -> None:
    """Import a module: an installed one, else one beside the recipe, else one in the working folder.

    Args:
        name: of the module; or its file, relative to one of these folders, such as `./mine.py`.
        recipe_folder: where the recipe lies; None where it was not read from a file.

    Raises:
        UsageError: it is not found, or fails when it is imported.
    """
    silence_notices()
    folders = [*([recipe_folder] if recipe_folder is not None else []), *_working_folder()]
    try:
        if name.endswith(_SUFFIX):
            _import_file(Path(name), folders)
        else:
            _import_name(name, folders)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # whatever the code of a foreign module raises
        raise UsageError(f"env.module: '{name}' cannot be imported: {told(error)}", _hint(error)) from error


def _working_folder() -> list[Path]:
    try:
        return [Path.cwd()]
    except FileNotFoundError:  # it was deleted
        return []


def _import_name(name: str, folders: list[Path]) -> None:
    root = name.partition(".")[0]
    try:
        importlib.import_module(name)
        return
    except ModuleNotFoundError as error:
        folder = next((one for one in folders if (one / f"{root}{_SUFFIX}").is_file() or (one / root).is_dir()), None)
        if error.name != root:
            raise
        if folder is None:
            raise _not_found(name, f"{root}{_SUFFIX}", folders) from error
    _search(len(sys.path), folder)
    importlib.import_module(name)


def _import_file(file: Path, folders: list[Path]) -> None:
    path = next((one / file for one in folders if (one / file).is_file()), None)
    if path is None:
        raise _not_found(str(file), file.name, folders)
    _search(0, path.parent)  # first: this very file is meant
    importlib.import_module(path.stem)


def _search(position: int, folder: Path) -> None:
    """Search a folder for modules, in processes that are started from here too."""
    if str(folder) not in sys.path:
        sys.path.insert(position, str(folder))
        importlib.invalidate_caches()


def _not_found(name: str, file: str, folders: list[Path]) -> UsageError:
    searched = " or ".join(dict.fromkeys(map(str, folders)))
    return UsageError(
        f"env.module: '{name}' cannot be imported: there is no such module",
        f"put {file} into {searched}, or install the package that has it into this environment of Python",
    )


def _hint(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"the module was found, but needs '{error.name}', which is not installed here"
    return "the module was found: this is an error of its own code"
