"""Every command and snippet that documents and recipes show is one that works now."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from spirl_cli.cli.app import app
from spirl_cli.domains.registry import kinds
from spirl_cli.errors import UsageError
from spirl_cli.recipe.fields import dotted_keys
from spirl_cli.recipe.library import check_recipe
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.sections.rl import Parity
from spirl_cli.store.names import parse_reference
from spirl_cli.sweep.study import read_study, study_tree
from tests.support.commands import RunCli
from tests.support.documents import DOCUMENTS, ROOT, Block, blocks, command_lines, quoted, relative, words

OTHERS = ("pip", "export", "jq", "xargs")  # programs that are not the project's
OWN_FILE = re.compile(r"mine(/.*)?(\.yaml)?|mine")  # what a reader's own recipe is called
PLACEHOLDER = re.compile(r"[A-Z]+")  # RECIPE, REF, FOLDER: the reader puts something else there
SECTIONS = ("env", "extract", "train_skills", "train_prior", "train_rl", "evaluate")
LINES = command_lines()
SPIRL = typer.main.get_command(app)


class WrongCommandError(Exception):
    """A command that would not work."""


def check_line(line: str) -> None:
    """Check the commands of a line.

    Raises:
        WrongCommandError: one of them would not work.
        UsageError: a recipe or an override in it is wrong.
    """
    for program, *arguments in words(line):
        if program == "spirl":
            check_spirl(arguments)
        elif program == "python":
            check_module(arguments)
        elif program == "make":
            check_make(arguments)
        elif program not in OTHERS:
            raise WrongCommandError(f"'{program}' is no program that documents use")


def check_spirl(arguments: Sequence[str]) -> None:
    """Parse a command line of spirl, and load the recipe that it names with its overrides."""
    command: Any = SPIRL
    rest = [argument for argument in arguments if argument != "--help"]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands and hasattr(command, "default"):
            rest.insert(0, command.default)
        name = rest.pop(0)
        if PLACEHOLDER.fullmatch(name):
            return
        if name not in command.commands:
            raise WrongCommandError(f"spirl has no command '{name}'")
        command = command.commands[name]
    if hasattr(command, "commands"):
        options = {option for parameter in command.params for option in parameter.opts}
        if unknown := [argument for argument in rest if argument not in options]:
            raise WrongCommandError(f"spirl does not take {unknown}")
        return
    try:
        values = command.make_context(command.name, rest).params
    except Exception as error:  # click's own base class is private to typer
        raise WrongCommandError(f"{command.name}: {error}") from error
    for name in ("recipe", "recipe_option"):
        check_recipe_argument(values.get(name), values)
    for name in ("reference", "references", "left", "right", "agent", "skills", "prior", "clips"):
        check_references(values.get(name))


def check_recipe_argument(recipe: str | None, values: dict[str, Any]) -> None:
    """Load a recipe; a reader's own is taken for the template that it was copied from."""
    if recipe is None or PLACEHOLDER.fullmatch(recipe):
        return
    load_recipe(
        "gymnasium" if OWN_FILE.fullmatch(recipe) else recipe,
        profile=values.get("profile"),
        method=values.get("method"),
        overrides=values.get("set_") or (),
    )


def check_references(given: str | Sequence[str] | None) -> None:
    """Refuse references of stages or recipes that do not exist."""
    for text in [given] if isinstance(given, str) else given or ():
        if PLACEHOLDER.fullmatch(text):
            continue
        reference = parse_reference(text)
        if reference is None:
            raise WrongCommandError(f"'{text}' is no reference")
        check_recipe_argument(reference.recipe, {})


def check_module(arguments: Sequence[str]) -> None:
    """Import the module of `python -m`, and look for each option in its help."""
    flag, name, *rest = arguments
    if flag != "-m" or not module_exists(name):
        raise WrongCommandError(f"there is no module '{name}'")
    options = [argument for argument in rest if argument.startswith("--")]
    if options:
        text = module_help(name)
        if unknown := [option for option in options if not re.search(rf"{option}\b", text)]:
            raise WrongCommandError(f"python -m {name} does not take {unknown}")


def module_exists(name: str) -> bool:
    """Whether `python -m name` finds something to run."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # of a package above it
        return False
    return spec is not None and (spec.submodule_search_locations is None or module_exists(f"{name}.__main__"))


def module_help(name: str) -> str:
    """Return what `python -m name --help` prints, from within this process."""
    import contextlib
    import io

    module = importlib.import_module(name)
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{name}.__main__")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", [name, "--help"])
        with pytest.raises(SystemExit):
            module.main()
    return printed.getvalue()


def check_make(arguments: Sequence[str]) -> None:
    """Refuse targets that the Makefile does not have."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for target in arguments:
        if "=" not in target and target not in targets:
            raise WrongCommandError(f"make has no target '{target}'")


def has_key(key: str) -> bool:
    """Whether a recipe of any domain can have this dotted key."""
    return any(key in dotted_keys(kind) for kind in kinds())


@pytest.fixture(autouse=True)
def readers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a folder with the files that a reader is told to have."""
    monkeypatch.chdir(tmp_path)
    Path("mine.txt").write_text("\n".join(["#" * 12, *["#" + "." * 10 + "#"] * 10, "#" * 12]))


def test_shown_commands_work() -> None:
    wrong = {}
    for block in LINES:
        try:
            check_line(block.text)
        except (WrongCommandError, UsageError, ValueError) as error:
            wrong[f"{block.source}: {block.text}"] = str(error)
    assert wrong == {}


def test_commands_are_found_where_they_are_shown() -> None:
    found = {(block.source, block.text.split("#")[0].strip()) for block in LINES}
    assert ("README.md", "make demo") in found
    assert ("README.md", "spirl diff kitchen/skills@v1 kitchen/skills@v2") in found  # in a table
    assert ("recipes/kitchen.yaml", "spirl run kitchen") in found
    assert ("docs/artifacts.md", "spirl run kitchen --dry-run --set train_skills.latent_dim=12") in found
    assert not any("up to date  kitchen/clips" in text for _, text in found)  # an output


@pytest.mark.parametrize(
    "line",
    [
        "spirl fly kitchen",
        "spirl --install-completions",
        "spirl run kitchen --fast",
        "spirl run kichten",
        "spirl run kitchen --profile long2",
        "spirl run kitchen --method sca",
        "spirl run kitchen --set train_rl.stepz=3",
        "spirl diff kitchen/skills@v1",
        "spirl show kitchen/skill",
        "spirl show kichten/skills",
        'spirl evaluate --agent "$(spirl train-rl kichten)"',
        "spirl list --json | spirl fly",
        "python -m benchmarks.nothing",
        "python -m benchmarks.transfer --skills REF --clip REF",
        "make tea",
        "rm -r artifacts",
    ],
)
def test_wrong_commands_are_found(line: str) -> None:
    with pytest.raises((WrongCommandError, UsageError)):
        check_line(line)


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_named_recipe_keys_exist(path: Path) -> None:
    dotted = re.compile(rf"(?:--set )?'?((?:{'|'.join(SECTIONS)})(?:\.[a-z_]+)+)\b(?!\.[a-z])")
    keys = [found[1] for text in quoted(path) if (found := dotted.match(text))]
    assert [key for key in keys if not has_key(key)] == []


def test_unknown_recipe_keys_are_found() -> None:
    assert has_key("train_rl.parity.tanh_actions")
    assert has_key("env.layout_seed")
    assert not has_key("train_rl.parity.tanh")
    assert not has_key("env.colour")


def test_every_defect_that_can_be_switched_on_is_described() -> None:
    described = quoted(ROOT / "docs/method.md")
    assert [name for name in Parity.model_fields if f"train_rl.parity.{name}: true" not in described] == []


def snippets(language: str) -> list[Block]:
    """Return the code blocks of all documents in one language."""
    return [block for path in DOCUMENTS for block in blocks(path) if block.language == language]


@pytest.mark.parametrize("block", snippets("python"), ids=lambda block: block.source)
def test_python_snippets_compile_and_import(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("block", snippets("yaml"), ids=lambda block: block.source)
def test_yaml_snippets_are_recipes_or_studies(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "snippet.yaml"
    if block.text.startswith("recipe:"):
        path.write_text(block.text)
        assert read_study(study_tree(path)).recipe
        return
    path.write_text(block.text if "extends:" in block.text else f"extends: gymnasium\n{block.text}")
    assert check_recipe(path) == []


def test_the_snippet_that_writes_rollouts_makes_a_readable_dataset(tmp_path: Path) -> None:
    import numpy as np

    from spirl_cli.demos.formats.detect import open_dataset

    text = next(block.text for block in snippets("python") if "def write_episode" in block.text)
    names: dict[str, Any] = {}
    exec(text, names)
    observations, actions = np.ones((6, 3), np.float32), np.zeros((5, 2), np.float32)
    (tmp_path / "rollouts").mkdir()
    names["write_episode"](tmp_path / "rollouts" / "000.hdf5", observations, actions)
    source = open_dataset(str(tmp_path / "rollouts"))
    for episode in source.episodes():
        assert np.array_equal(episode.observations, observations)
        assert np.array_equal(episode.actions, actions)
    assert (source.contents().episodes, source.contents().steps) == (1, 5)
    bounds = source.action_bounds()
    assert bounds is not None
    assert [side.tolist() for side in bounds] == [[-1.0, -1.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    "line", ["recipe list", "recipe show kitchen --profile quick", "list", "run kitchen --dry-run"]
)
def test_quick_commands_run_in_an_empty_folder(line: str, run_cli: RunCli) -> None:
    done = run_cli(*line.split())
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_readmes_own_data_example_runs(run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of the README one after the other, from an empty folder."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (example,) = (block for block in blocks(ROOT / "README.md") if "recipe new mine.yaml" in block.text)
    ran = [run_shown(words(line)[0], run_cli) for line in example.text.splitlines()]
    assert len(ran) == 5
    assert run_cli("show", "mine/agent@v1").returncode == 0


@pytest.mark.slow
def test_the_quick_profile_of_the_maze_runs(run_cli: RunCli) -> None:
    done = run_cli("run", "maze", "--profile", "quick", timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("artifacts/maze/evaluation/v001-")


def run_shown(command: Sequence[str], run_cli: Callable[..., Any]) -> str:
    """Run one simple command that a document shows, and return what it prints."""
    import subprocess

    from tests.support.commands import cli_environment

    program, *arguments = command
    if program == "spirl":
        done = run_cli(*arguments, timeout=300)
    else:
        assert program == "python"
        done = subprocess.run(
            [sys.executable, *arguments], env=cli_environment(), capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)
