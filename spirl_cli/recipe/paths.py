"""Where the paths lie that a recipe names: relative to the file that names them, as `extends` is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from spirl_cli.errors import UsageError
from spirl_cli.recipe.yaml_places import Node

_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")


def located_dataset(text: str, source: str, node: Node | None) -> str:
    """Return `extract.dataset` as an absolute path, if it is one; else as it is, as the id of a dataset.

    A relative path is looked for beside the recipe that names it, then in the working folder; after `--set` in the
    working folder only. `~` and `$VARIABLE` are written out.

    Args:
        text: as the recipe has it.
        source: `extract.source`.
        node: where it was written; None: nowhere, so the working folder counts.

    Raises:
        UsageError: a variable is not set.
    """
    if source == "minari":
        return text
    folders = [*folders_beside(node), _working_folder()]
    literal = next((place for folder in folders if os.path.exists(place := os.path.join(folder, text))), None)
    path = _written_out(text, node) if literal is None else text  # a name may hold a dollar or begin with a tilde
    places = [os.path.normpath(os.path.join(folder, path)) for folder in folders]
    for place in places:
        if os.path.exists(place):
            return place
    surely_path = source == "hdf5" or path != text or path.startswith((".", os.sep))
    return places[0] if surely_path else text


def _written_out(text: str, node: Node | None) -> str:
    path = os.path.expandvars(os.path.expanduser(text))
    if missing := _VARIABLE.search(path):
        place = f"{node.place}: " if node is not None else ""
        raise UsageError(
            f"{place}extract.dataset: the environment variable {missing[1].strip('{}')} is not set",
            f"set it, or write the path without {missing[0]}",
        )
    return path


def folders_beside(node: Node | None) -> list[str]:
    """Return the folder of the file in which a value stands; none where it comes from an option."""
    if node is None or not node.place.line:
        return []
    return [os.path.join(_working_folder(), Path(node.place.source).parent)]


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return os.sep
