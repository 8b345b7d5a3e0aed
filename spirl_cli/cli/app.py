"""The command `spirl`: its commands, and how errors become exit codes.

Nothing heavy is imported here or in the modules of the commands: a command imports what it
needs when it runs.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from spirl_cli.cli import (
    artifacts,
    demonstrations,
    diff,
    doctor,
    export,
    inspect,
    new_recipe,
    recipes,
    remove,
    report,
    results,
    stages,
    sweep,
    tune,
)
from spirl_cli.cli.console import folder_is_gone, note, say_error
from spirl_cli.errors import SpirlError, UsageError, did_you_mean
from spirl_cli.files import working_folder_is_gone
from spirl_cli.monitor.signals import heeded
from spirl_cli.monitor.streams import guard_stderr, show_warnings_once
from spirl_cli.room import disk_full

# Typer's own base class of usage errors, whichever version of click it brings.
_COMMAND_LINE_ERROR: Any = typer.BadParameter.__mro__[1]
_DEBUG = "--debug"

# No rich markup: it would double the time that --help takes.
_SETTINGS: dict[str, Any] = {"rich_markup_mode": None, "context_settings": {"help_option_names": ["--help", "-h"]}}
app = typer.Typer(name="spirl", pretty_exceptions_enable=False, **_SETTINGS)
recipe_app = typer.Typer(name="recipe", help="List, show, check, explain, copy and write recipes.", **_SETTINGS)
sweep_app = typer.Typer(
    name="sweep", help="Run a recipe with several settings and seeds.", cls=sweep.SweepGroup, **_SETTINGS
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from spirl_cli import __version__

        typer.echo(__version__)
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error (anywhere on the line).")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Skill-prior reinforcement learning, from demonstrations to an agent.

    Results go to stdout, talk goes to stderr. Exit codes: 0 done or up to date, 1 unexpected
    failure, 2 wrong usage or recipe, 3 missing or corrupt artifact or dataset, 4 training
    diverged, 130 interrupted and resumable.
    """
    _help_if_alone(context)


@recipe_app.callback(invoke_without_command=True)
def _recipe_root(context: typer.Context) -> None:
    _help_if_alone(context)


def _help_if_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


_COMMANDS: dict[str, Callable[..., None]] = {
    "run": stages.run,
    "extract": stages.extract,
    "train-skills": stages.train_skills,
    "train-prior": stages.train_prior,
    "train-rl": stages.train_rl,
    "evaluate": stages.evaluate,
    "list": artifacts.list_,
    "show": artifacts.show,
    "verify": artifacts.verify,
    "diff": diff.diff,
    "lineage": artifacts.lineage,
    "remove": remove.remove,
    "export": export.export,
    "report": report.report,
    "table": results.table,
    "plot": results.plot,
    "tune": tune.tune,
    "inspect": inspect.inspect,
    "demonstrations": demonstrations.demonstrations,
    "doctor": doctor.doctor,
}
_RECIPE_COMMANDS: dict[str, Callable[..., None]] = {
    "list": recipes.list_,
    "show": recipes.show,
    "check": recipes.check,
    "copy": recipes.copy,
    "explain": recipes.explain,
    "new": new_recipe.new,
}

for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
for _name, _command in _RECIPE_COMMANDS.items():
    recipe_app.command(_name)(_command)
for _name, _command in sweep.COMMANDS.items():
    sweep_app.command(_name)(_command)
app.add_typer(recipe_app)
app.add_typer(sweep_app)


def main() -> NoReturn:
    """Run the command line of this process and exit with the code that the contract promises."""
    arguments = sys.argv[1:]
    debug = _DEBUG in arguments
    guard_stderr()
    show_warnings_once()
    for number in heeded():
        if number is not signal.SIGINT:
            signal.signal(number, _interrupt)
    _escape_what_stdout_cannot_encode()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # looking for them takes longer than reading a recipe
    sys.exit(run([argument for argument in arguments if argument != _DEBUG], debug=debug))


def _escape_what_stdout_cannot_encode() -> None:
    """Print an escape where an old locale lacks a sign such as an arrow, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Run one command line; returns its exit code.

    Args:
        arguments: without the program's name.
        debug: let errors through with their traceback.
    """
    try:
        code = app(args=list(arguments), prog_name="spirl", standalone_mode=False)
    except SpirlError as error:
        return _fail(error, debug)
    except _COMMAND_LINE_ERROR as error:
        return _fail(_usage_error(error), debug)
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except Exception as error:
        return _fail(folder_is_gone() if working_folder_is_gone() else disk_full(error) or _unexpected(error), debug)
    if code == 130:
        note("interrupted")
    return code if isinstance(code, int) else 0


def _fail(error: SpirlError, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    say_error(error)
    return error.exit_code


def _usage_error(error: Any) -> UsageError:
    """Put what typer says about a wrong command line in our words."""
    path = error.ctx.command_path if error.ctx is not None else "spirl"
    message = error.format_message()
    if getattr(error, "option_name", None) and getattr(error, "possibilities", None):
        message = f"No such option: {error.option_name}.{did_you_mean(error.option_name, error.possibilities)}"
    return UsageError(message, f"'{path} --help' shows what it takes")


def _unexpected(error: Exception) -> SpirlError:
    text = " ".join(str(error).split())
    return SpirlError(
        f"unexpected {type(error).__name__}{': ' if text else ''}{text}",
        "the same command with --debug shows the traceback",
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Treat signals that ask to stop like Ctrl-C wherever no training run has its own handler."""
    raise KeyboardInterrupt
