"""`spirl recipe`: list, show, check and copy."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import RunCli


def test_recipe_list_knows_the_packaged_recipes_from_any_folder(run_cli: RunCli) -> None:
    rows = json.loads(run_cli("recipe", "list", "--json").stdout)
    by_name = {row["name"]: row for row in rows}
    assert {"kitchen", "paper/kitchen"} <= by_name.keys()
    assert "quick" in by_name["kitchen"]["profiles"] and by_name["kitchen"]["summary"]
    assert "paper/kitchen" in run_cli("recipe", "list").stdout


def test_recipe_show_is_resolved_and_can_be_read_again(tmp_path: Path, run_cli: RunCli) -> None:
    done = run_cli("recipe", "show", "kitchen", "--profile", "quick", "--set", "train_skills.learning_rate=1e-4")
    import yaml

    shown = yaml.safe_load(done.stdout)
    assert float(shown["train_skills"]["learning_rate"]) == 1e-4
    assert shown["profile"] == "quick" and shown["train_prior"]["seed"] == 0


def test_recipe_check_takes_many_files_and_exits_with_2(recipe: Path, run_cli: RunCli) -> None:
    assert run_cli("recipe", "check", "kitchen", recipe).returncode == 0
    wrong = recipe.with_name("wrong.yaml")
    wrong.write_text("env: {kind: kitchn}\n")
    done = run_cli("recipe", "check", recipe, wrong, "--json")
    assert done.returncode == 2
    assert [bool(row["problems"]) for row in json.loads(done.stdout)] == [False, True]


def test_recipe_copy_prints_the_new_file_which_is_sound(tmp_path: Path, run_cli: RunCli) -> None:
    done = run_cli("recipe", "copy", "paper/kitchen", "mine.yaml")
    assert done.stdout == "mine.yaml\n"
    assert run_cli("recipe", "check", "mine.yaml").returncode == 0
    assert run_cli("recipe", "copy", "kitchen", "mine.yaml").returncode == 2
