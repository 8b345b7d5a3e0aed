"""The tests themselves: where they stand, what they import, and that each of them can fail."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
FILES = sorted(TESTS.rglob("*.py"))
MODULES = {path.relative_to(TESTS).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
LONGEST_FILE = 400  # lines
CHECKS = ("raises", "warns", "fail")  # functions of pytest


def called(node: ast.AST, kind: type[ast.expr]) -> Iterator[str]:
    """Yield the names of all functions that are called in it, as `name(…)` or as `something.name(…)`."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, kind):
            yield call.func.id if isinstance(call.func, ast.Name) else call.func.attr


def checks_something(function: ast.AST) -> bool:
    """Tell whether a function asserts something, or lets a library do it."""
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(function))
    return asserts or any(name in CHECKS or name.startswith("assert_") for name in called(function, ast.Attribute))


def functions(module: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]


def imported(module: ast.Module) -> Iterator[str]:
    """Yield the names of all modules that a module imports, also inside functions."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_helpers_come_from_the_folder_of_helpers() -> None:
    own = {path.stem for path in FILES} | {"tests"}
    wrong = [
        f"{name}: {module}"
        for name, parsed in MODULES.items()
        for module in imported(parsed)
        if module.split(".")[0] in own and not module.startswith("tests.support.")
    ]
    assert wrong == []


def test_no_file_is_too_long_to_read() -> None:
    lengths = {name: len((TESTS / name).read_text(encoding="utf-8").splitlines()) for name in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_modules_have_names_of_their_own() -> None:
    """Without packages, pytest knows a module by its name alone."""
    names = Counter(path.name for path in FILES if path.name.startswith("test_"))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_test_can_fail() -> None:
    everything = [function for module in MODULES.values() for function in functions(module)]
    helpers = {function.name for function in everything if checks_something(function)}
    toothless = [
        f"{name}: {function.name}"
        for name, module in MODULES.items()
        for function in functions(module)
        if function.name.startswith("test_")
        and not checks_something(function)
        and helpers.isdisjoint(called(function, ast.Name))
    ]
    assert toothless == []
