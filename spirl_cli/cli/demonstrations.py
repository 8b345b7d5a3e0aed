"""The command that writes the demonstrations of a recipe in a format that other tools read."""

from __future__ import annotations

from typing import Annotated

import typer

from spirl_cli.cli.console import emit, emit_json, note
from spirl_cli.cli.options import JsonOption, SaveFormat, SetOption


def demonstrations(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name or path.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A new file, folder or Minari id.")],
    save_format: Annotated[
        SaveFormat | None,
        typer.Option("--save-format", help="Format of the target; default: robomimic for *.hdf5, else minari."),
    ] = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the demonstrations of a recipe, also those that a domain makes, for other tools.

    The episodes are those that extract would use, with the selected observations. Prints the target.
    """
    from spirl_cli.demos.saving.recipe import save_demonstrations
    from spirl_cli.demos.saving.target import format_of
    from spirl_cli.evaluation.dataset import check_new_dataset
    from spirl_cli.monitor.reporter import RichReporter
    from spirl_cli.recipe.load import load_recipe

    format = format_of(target, None if save_format is None else save_format.value)
    check_new_dataset(target, format)
    count = save_demonstrations(load_recipe(recipe, overrides=set_ or []), target, format, RichReporter())
    note(f"wrote {count} episodes in the format {format}")
    emit_json({"target": target, "format": format, "episodes": count}) if as_json else emit(target)
