"""Where the packaged recipes are, and what a name or path given by a user refers to."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from pathlib import Path

from spirl_cli.errors import UsageError, did_you_mean

SUFFIXES = (".yaml", ".yml")
STUDIES = "studies"  # the folder beside the recipes whose files describe sweeps
_PACKAGE = Path(__file__).resolve().parent.parent


def recipe_folder() -> Path:
    """Return the folder of the packaged recipes: inside the installed package, else the checkout's."""
    installed = _PACKAGE / "_recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "recipes"


def packaged_recipes() -> dict[str, Path]:
    """Name (`kitchen`, `paper/kitchen`) to file of every packaged recipe, plain names first."""
    found = {name: path for name, path in _named_files(recipe_folder()).items() if not name.startswith(f"{STUDIES}/")}
    return dict(sorted(found.items(), key=lambda item: (item[0].count("/"), item[0])))


def packaged_studies() -> dict[str, Path]:
    """Name (`horizon`) to file of every packaged study, sorted."""
    return dict(sorted(_named_files(recipe_folder() / STUDIES).items()))


def find_recipe(ref: str | Path) -> Path:
    """Return the file of a packaged recipe's name (`paper/kitchen` or `paper-kitchen`) or of a path.

    Raises:
        UsageError: if there is none; suggests the closest name.
    """
    packaged = packaged_recipes()
    name = str(ref)
    for known, path in packaged.items():
        if name in (known, known.replace("/", "-")):
            return path
    if os.path.isfile(ref):  # unlike Path.is_file it never raises, whatever the name
        return Path(ref)
    if name.endswith(SUFFIXES):
        close = did_you_mean(str(Path(name).with_suffix("")), packaged)
        raise UsageError(f"There is no recipe file {name}.{close}", "'spirl recipe list' shows the packaged recipes.")
    close = did_you_mean(name, packaged)
    raise UsageError(
        f"There is no recipe '{name}'.{close}",
        "'spirl recipe list' shows the packaged recipes; a path to a YAML file works as well.",
    )


def packaged_name(path: Path) -> str | None:
    """Return the name under which `path` is packaged, or None for a user's own file."""
    resolved = path.resolve()
    for name, packaged in packaged_recipes().items():
        if packaged.resolve() == resolved:
            return name
    return None


def recipe_id(path: Path) -> str:
    """Return what artifacts of a recipe are filed under: its path below a recipes folder, else its stem.

    Nested names are joined by `-` (`paper-kitchen`) and so are characters that have a
    meaning in the reference of an artifact. Letters and digits of every script stay, in the one
    form (NFC) in which all systems spell them.
    """
    resolved = path.resolve().with_suffix("")
    name = unicodedata.normalize("NFC", packaged_name(path) or "/".join(_below_recipes(resolved.parts)))
    kept = "".join(one if one in "._-" or unicodedata.category(one)[0] in "LMN" else " " for one in name)
    # a name of signs alone, such as emoji, still tells recipes apart
    return re.sub(" +", "-", kept).strip("-.") or f"recipe-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"


def shown(path: Path) -> str:
    """Return the path as messages show it: relative to the working folder where it is inside."""
    try:
        resolved, here = path.resolve(), Path.cwd()
    except OSError:  # the working folder is gone
        return str(path)
    return str(resolved.relative_to(here)) if resolved.is_relative_to(here) else str(resolved)


def _named_files(folder: Path) -> dict[str, Path]:
    files = (path for suffix in SUFFIXES for path in folder.rglob(f"*{suffix}"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def _below_recipes(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the parts after the last folder called `recipes`; without one, the last part."""
    above = parts[:-1]
    if "recipes" not in above:
        return parts[-1:]
    return parts[len(above) - above[::-1].index("recipes") :]
