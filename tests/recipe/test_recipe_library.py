"""Names and ids of recipes; listing and copying them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.errors import UsageError
from spirl_cli.recipe.library import copy_recipe, find_recipe, list_recipes
from spirl_cli.recipe.load import load_recipe
from tests.support.commands import run_python
from tests.support.recipe_data import KITCHEN, Write


def test_packaged_recipes_are_listed_and_found_by_both_names(packaged: Path) -> None:
    infos = list_recipes()
    assert [(info.name, info.summary, info.profiles) for info in infos] == [
        ("kitchen", "Kitchen for tests.", ("quick",)),
        ("paper/kitchen", "As published.", ("quick",)),
    ]
    assert find_recipe("paper-kitchen") == find_recipe("paper/kitchen") == infos[1].path
    assert load_recipe("paper/kitchen").id == "paper-kitchen"


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("mine.yaml", "mine"),
        ("recipes/mine.yml", "mine"),
        ("recipes/deep/er/mine.yaml", "deep-er-mine"),
        ("my own@v2.yaml", "my-own-v2"),
        ("v1.5.yaml", "v1.5"),
    ],
)
def test_id_of_a_users_file(write: Write, name: str, identity: str) -> None:
    assert load_recipe(write(name, KITCHEN)).id == identity


def test_copy_loads_like_the_original_and_never_overwrites(packaged: Path, tmp_path: Path) -> None:
    copy = copy_recipe("paper/kitchen", tmp_path / "new" / "mine.yaml")
    assert "extends: kitchen  # and changes" in copy.read_text(encoding="utf-8")
    original = load_recipe("paper/kitchen", profile="quick")
    assert load_recipe(copy, profile="quick") == original.model_copy(update={"id": "mine"})
    assert copy_recipe("paper-kitchen", tmp_path / "new").name == "paper-kitchen.yaml"
    with pytest.raises(UsageError, match="exists already"):
        copy_recipe("kitchen", copy)
    with pytest.raises(UsageError, match="must end in"):
        copy_recipe("kitchen", tmp_path / "mine.txt")


def test_listing_imports_nothing_heavy(packaged: Path) -> None:
    code = (
        "import sys; from spirl_cli.recipe.library import list_recipes; list_recipes(); "
        "print([m for m in ('pydantic', 'numpy', 'torch', 'gymnasium') if m in sys.modules])"
    )
    assert run_python(code).stdout == "[]\n"
