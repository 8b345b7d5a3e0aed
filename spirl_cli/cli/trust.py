"""Which modules may be imported because an artifact names them: their code runs with the rights of the user.

A recipe that a user runs may name modules. Spirl remembers their names, so that what is made from it can be evaluated
without its recipe. What only an artifact names, which may be a stranger's, has to be allowed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_cli.errors import UsageError
from spirl_cli.files import cache_folder, make_folder, write_whole
from spirl_cli.room import DiskFullError

if TYPE_CHECKING:
    from spirl_cli.domains.section import EnvSection

REMEMBERED = 200  # names of modules


def remember_modules(section: EnvSection) -> None:
    """Remember the modules that a recipe of this user names; without a cache folder none is."""
    known, path = _remembered(), _memory()
    new = [name for name in section.foreign_modules if name not in known]
    if not new or path is None:
        return
    with contextlib.suppress(OSError, DiskFullError):
        make_folder(path.parent)
        write_whole(path, json.dumps([*known, *new][-REMEMBERED:], indent=1).encode())


def require_trust(section: EnvSection, reference: str, allowed: Sequence[str]) -> None:
    """Refuse modules that only an artifact names.

    Args:
        section: the environment that is recorded in the artifact.
        reference: of the artifact, for the message.
        allowed: names that the user trusts, with this command.

    Raises:
        UsageError: a module is neither allowed nor named by a recipe that this user has run.
    """
    known: Collection[str] = {*allowed, *_remembered()}
    for name in section.foreign_modules:
        if name not in known:
            raise UsageError(
                f"{reference} asks to import the module '{name}', which no recipe that you ran has named: "
                "its code could do anything.",
                f"if you know this module, add --trust-module {name}, or name your recipe as well",
            )


def _memory() -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / "modules.json"


def _remembered() -> list[str]:
    path = _memory()
    try:
        names = [] if path is None else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
