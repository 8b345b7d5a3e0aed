"""The commands about recipes: list, show, check, explain, copy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spirl_cli.cli import complete
from spirl_cli.cli.console import columns, emit, emit_json, note
from spirl_cli.cli.options import JsonOption, MethodOption, ProfileOption, SetOption
from spirl_cli.errors import SpirlError, UsageError
from spirl_cli.monitor.streams import foreign_output_on_stderr

if TYPE_CHECKING:
    from spirl_cli.recipe.explain import KeyMeaning

NameArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="Name or path of a recipe.", autocompletion=complete.recipes)
]


def list_(as_json: JsonOption = False) -> None:
    """List the packaged recipes."""
    from spirl_cli.recipe.library import list_recipes

    found = list_recipes()
    if as_json:
        emit_json(
            [
                {"name": one.name, "path": str(one.path), "summary": one.summary, "profiles": list(one.profiles)}
                for one in found
            ]
        )
    elif found:
        rows = [[one.name, ", ".join(one.profiles) or "-", one.summary] for one in found]
        emit(columns(("RECIPE", "PROFILES", "SUMMARY"), rows))
    else:
        note("no packaged recipes")


def show(
    recipe: NameArgument,
    profile: ProfileOption = None,
    method: MethodOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a recipe, fully resolved: inheritance, method, profile, overrides, defaults."""
    import yaml

    from spirl_cli.recipe.load import load_recipe

    loaded = load_recipe(recipe, profile=profile, overrides=set_ or [], method=method).model_dump(mode="json")
    if as_json:
        emit_json(loaded)
        return
    emit(yaml.safe_dump(loaded, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120).rstrip())


def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Names or paths of recipes.", autocompletion=complete.recipes)
    ],
    try_: Annotated[
        bool, typer.Option("--try", help="Also make the environment and do a few steps with random actions.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check recipes with all their profiles and methods.

    Exits with 2 when something is wrong.
    """
    from spirl_cli.recipe.library import check_recipe

    problems = {file: check_recipe(file) for file in files}
    if try_:
        problems |= {file: _tried(file) for file, found in problems.items() if not found}
    if as_json:
        emit_json([{"recipe": file, "problems": found} for file, found in problems.items()])
    else:
        for file, found in problems.items():
            emit("\n".join(found) if found else f"{file}: ok")
    wrong = [file for file, found in problems.items() if found]
    if wrong:
        raise UsageError(f"{len(wrong)} of {len(files)} recipes are wrong: {', '.join(wrong)}.")


def _tried(file: str) -> list[str]:
    """Return what is wrong with the environment of a recipe: one sentence, or none."""
    from spirl_cli.envs.trial import try_environment
    from spirl_cli.recipe.load import load_recipe

    try:
        with foreign_output_on_stderr():
            try_environment(load_recipe(file).env, lambda text: note(f"warning: {file}: {text}"))
    except SpirlError as error:
        return [f"{file}: env: {error.message}{f' ({error.hint})' if error.hint else ''}"]
    return []


def copy(
    recipe: NameArgument,
    destination: Annotated[Path, typer.Argument(metavar="FILE", help="The new file, or an existing folder.")],
    as_json: JsonOption = False,
) -> None:
    """Copy a recipe to a file that you can edit."""
    from spirl_cli.recipe.library import copy_recipe

    target = copy_recipe(recipe, destination)
    emit_json({"path": str(target)}) if as_json else emit(str(target))


def explain(
    key: Annotated[
        str | None,
        typer.Argument(metavar="KEY", help="A key such as train_skills.horizon, or a section; default: all."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a key of a recipe means: its type, unit, default, and what to try."""
    from spirl_cli.recipe.explain import explain as explained

    found = explained(key)
    if as_json:
        emit_json([vars(one) for one in found])
    elif key is None:
        emit(_key_list(found))
    else:
        own = [one for one in found if one.key == key]
        below = [one for one in found if one.key != key]
        emit("\n\n".join([*map(_explanation, own), *([_key_list(below)] if below else [])]))


def _explanation(one: KeyMeaning) -> str:
    """Write a key with what is known of it, a line each."""
    default = "required" if one.required else json.dumps(one.default)
    facts = [
        ("type", one.type),
        ("unit", one.unit),
        ("default", default),
        ("domains", _domains(one)),
        ("try", one.advice),
    ]
    return "\n".join([one.key, f"  {one.meaning}", *(f"  {name:<8} {text}" for name, text in facts if text)])


def _key_list(found: Sequence[KeyMeaning]) -> str:
    """List keys by section, each with its meaning; of several domains' own each."""
    lines: list[str] = []
    for one in found:
        if "." not in one.key and lines:
            lines.append("")
        only = f" ({_domains(one)})" if _domains(one) else ""
        lines.append(f"{one.key}{only}: {one.meaning}")
    return "\n".join(lines)


def _domains(one: KeyMeaning) -> str:
    """Name the domains that have a key, where not all do."""
    from spirl_cli.domains.registry import kinds

    return "" if len(one.kinds) == len(kinds()) else ", ".join(one.kinds)
