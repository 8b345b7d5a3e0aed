"""The wheel: what a user installs has all that runs, and nothing that only measures, publishes or tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from tests.support.commands import CHECKOUT

pytest.importorskip("hatchling", reason="hatchling builds the wheel; `make install` installs it")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel, which needs no network, and return the names of the files in it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_it_has_the_package_and_its_metadata_alone(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert "spirl_cli" in tops and len(tops) == 2
    assert next(iter(tops - {"spirl_cli"})).endswith(".dist-info")


def test_it_has_every_file_of_the_package(names: set[str]) -> None:
    files = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "spirl_cli").rglob("*") if path.is_file()}
    expected = {name for name in files if "__pycache__" not in name}
    assert {"spirl_cli/py.typed", "spirl_cli/recipe/methods.yaml"} <= expected
    assert expected <= names


def test_it_has_every_recipe(names: set[str]) -> None:
    recipes = CHECKOUT / "recipes"
    expected = {f"spirl_cli/_recipes/{path.relative_to(recipes).as_posix()}" for path in recipes.rglob("*.yaml")}
    assert "spirl_cli/_recipes/paper/kitchen.yaml" in expected
    assert expected == {name for name in names if name.startswith("spirl_cli/_recipes/")}


def test_nothing_in_it_imports_what_it_lacks() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (CHECKOUT / "spirl_cli").rglob("*.py")}
    lacking = ("from benchmarks", "import benchmarks", "from tests", "import tests")
    assert [str(path) for path, text in sources.items() if any(name in text for name in lacking)] == []
