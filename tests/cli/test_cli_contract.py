"""What holds for every command: its help, its options, and how it refuses an unknown one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from spirl_cli import errors
from spirl_cli.cli.app import app, run


def walk(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the words that call a command, and the command, for it and all below it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(below, *path, name)


COMMANDS = dict(walk(typer.main.get_command(app)))
each_command = pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "spirl")


def test_all_commands_are_found() -> None:
    assert {(), ("run",), ("train-rl",), ("recipe",), ("recipe", "show")} <= COMMANDS.keys()


@each_command
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_goes_to_stdout_and_nothing_to_stderr(
    path: tuple[str, ...], flag: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, flag]) == 0
    shown = capfd.readouterr()
    assert shown.out.startswith(" ".join(["Usage: spirl", *path])) and shown.err == ""


@each_command
def test_every_command_and_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help or command.callback.__doc__
    assert [option.name for option in command.params if not option.help] == []


@each_command
def test_an_unknown_option_exits_with_2_and_names_the_help(
    path: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--no-such-option"]) == 2
    said = capfd.readouterr()
    assert said.out == "" and "--no-such-option" in said.err
    default = getattr(COMMANDS[path], "default", None)  # the command that `spirl sweep RECIPE` means
    assert f"{' '.join(['spirl', *path, *([default] if default else [])])} --help" in said.err


def test_the_exit_code_of_every_error_is_explained_by_the_help() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SpirlError)]
    explained = {int(code) for code in re.findall(r"\b(\d+) [a-z]", COMMANDS[()].help)}
    assert explained == {0, *(kind.exit_code for kind in kinds)}
