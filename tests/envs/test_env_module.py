"""Where the module of an environment is found: installed, beside the recipe, in the working folder, by its file."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.envs.make import make_env
from spirl_cli.errors import UsageError
from tests.support.commands import MakeWorkspace

MODULE = """\
import gymnasium
from tests.support.odd_environments import Cart
gymnasium.register("{id}", Cart)
"""


@pytest.fixture(autouse=True)
def _same_search_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)


def written(path: Path, environment: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MODULE.format(id=environment))
    return path


def section(module: str, environment: str) -> GymnasiumSection:
    return GymnasiumSection(kind="gymnasium", id=environment, module=module, episode_length=5)


def test_a_module_beside_the_recipe_is_found_after_a_journey_to_a_worker(tmp_path: Path) -> None:
    written(tmp_path / "recipes/cart_beside_recipe.py", "BesideRecipe-v0")
    there = section("cart_beside_recipe", "BesideRecipe-v0").with_files(tmp_path / "recipes")
    make_env(pickle.loads(pickle.dumps(there))).close()
    assert there.model_dump() == section("cart_beside_recipe", "BesideRecipe-v0").model_dump()


def test_a_package_in_the_working_folder_is_found(tmp_path: Path) -> None:
    written(tmp_path / "cart_package/__init__.py", "CartPackage-v0")
    env = make_env(section("cart_package", "CartPackage-v0"))
    assert env.spec is not None and env.spec.id == "CartPackage-v0"
    env.close()


def test_the_file_of_a_module_is_taken_from_the_recipes_folder(tmp_path: Path) -> None:
    written(tmp_path / "recipes/envs/json.py", "CartFile-v0")  # as a module of Python itself is called
    sys.modules.pop("json")
    env = make_env(section("./envs/json.py", "CartFile-v0").with_files(tmp_path / "recipes"))
    assert env.spec is not None and env.spec.id == "CartFile-v0"
    env.close()
    del sys.modules["json"]


def test_a_module_that_is_nowhere_is_not_looked_for_on_the_index(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"env.module: 'no_such_module' cannot be imported") as missing:
        make_env(section("no_such_module", "Pendulum-v1").with_files(tmp_path / "recipes"))
    assert f"put no_such_module.py into {tmp_path / 'recipes'} or {tmp_path}" in missing.value.hint
    assert "pip" not in missing.value.hint


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("import no_such_simulator", "ModuleNotFoundError", "needs 'no_such_simulator'"),
        ("1 / 0", "ZeroDivisionError", "an error of its own code"),
        ("def", "SyntaxError", "an error of its own code"),
    ],
)
def test_a_module_that_fails_says_why(code: str, message: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "cart_failing.py").write_text(code)
    with pytest.raises(UsageError, match=f"env.module: 'cart_failing' cannot be imported: {message}") as failed:
        make_env(section("cart_failing", "Pendulum-v1"))
    assert hint in failed.value.hint


def test_all_processes_of_a_pipeline_find_the_module_beside_the_recipe(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    folder = work.folder / "mine"
    written(folder / "cart_beside.py", "CartBeside-v0")
    recipe = folder / "swing.yaml"
    (work.folder / "swing.yaml").rename(recipe)
    fault = ["--set", "env.module=cart_beside", "--set", "env.id=CartBeside-v0"]
    work.spirl("train-rl", recipe, *fault)
    done = work.spirl("evaluate", recipe, *fault, "--set", "evaluate.episodes=2", "--set", "evaluate.video_episodes=1")
    assert "cannot be imported" not in done.stderr
