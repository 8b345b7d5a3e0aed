"""What is wrong in a recipe, and the place that the message points to."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.recipe.library import check_recipe
from tests.support.recipe_data import KITCHEN, Write, error_of


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("horizon: 10", "horizn: 10", "8:3: train_skills.horizn is not a known key. Did you mean 'horizon'?"),
        ("horizon: 10", "width: 1", "8:3: train_skills.width is not a known key. Did you mean 'encoder_width'?"),
        ("train_skills:", "train_skill:", "7:1: train_skill is not a known key. Did you mean 'train_skills'?"),
        ("env:", "horizon: 3\nenv:", "2:1: horizon is not a known key. Did you mean 'train_skills.horizon'?"),
        ("env:", "id: mine\nenv:", "2:1: id is not a known key."),
        ("horizon: 10", "horizon: ten", "8:12: train_skills.horizon must be an integer, not 'ten'."),
        ("horizon: 10", "horizon: 2.5", "8:12: train_skills.horizon must be an integer, not 2.5."),
        ("horizon: 10", "horizon: 0", "8:12: train_skills.horizon must be greater than 0, not 0."),
        ("1e-3", ".inf", "9:18: train_skills.learning_rate must be finite, not inf."),
        ("1e-3", "null", "9:18: train_skills.learning_rate must be a number, not null."),
        (
            "kind: kitchen",
            "kind: kitchn",
            "3:9: env.kind must be one of kitchen, gymnasium, maze, blocks, not 'kitchn'. Did you",
        ),
        ("noise: 0.01", "order: in_order", "4:10: env.order must be one of any, in-order, not 'in_order'. Did you"),
        ("noise: 0.01", "tasks: [kettle, kettle]", "4:10: env.tasks names a subtask twice."),
        ("noise: 0.01", "tasks: [kettle, ketle]", "4:19: env.tasks[1] must be one of microwave, kettle,"),
        ("noise: 0.01", "tasks: kettle", "4:10: env.tasks must be a list, not 'kettle'."),
        ("kind: kitchen", "", "2:1: env.kind is missing."),
        ("kind: kitchen", "kind:", "3:8: env.kind must be one of kitchen, gymnasium, maze, blocks, not null."),
        ("dataset: test", "source: auto #", "5:1: extract.dataset is missing."),
        ("  dataset: test/kitchen-v0", "", "2:1: extract is missing."),
        ("horizon: 10", "model: primitive", "8:10: train_skills.model 'primitive' needs train_skills.horizon: 1."),
        ("horizon: 10", "horizon: 10\n  horizon: 3", "9:3: the key 'horizon' was already given at base.yaml:8:3."),
        ("horizon: 10", "horizon: [10", "9:16: not readable as YAML:"),
        ("horizon: 10", "\thorizon: 10", "8:3: not readable as YAML:"),
        ("horizon: 10", "horizon: !!python/name:os.system x", "8:12: the tag"),
        ("    independent: 0.5", "    - 1", "11:5: train_skills.augmentation must be a mapping"),
        ("  quick:\n", "  - quick:\n", "13:3: profiles must be a mapping (lines of 'key: value')."),
    ],
)
def test_message_says_what_and_where(write: Write, before: str, after: str, message: str) -> None:
    assert before in KITCHEN
    found = error_of(write("base.yaml", KITCHEN.replace(before, after, 1)))
    assert found.startswith(f"base.yaml:{message}"), found


def test_a_problem_in_the_parent_is_shown_there(write: Write) -> None:
    write("base.yaml", KITCHEN.replace("horizon: 10", "horizon: -1"))
    child = write("sub/child.yaml", "extends: ../base.yaml\n")
    assert error_of(child).startswith("base.yaml:8:12: train_skills.horizon")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train_skills.horizn=3", "train_skills.horizn is not a known key. Did you mean 'horizon'?"),
        ("train_skills.horizon=x", "train_skills.horizon must be an integer, not 'x'."),
        ("env.observation=[{key: a, indices: [18-39]}]", "env.observation[0].indices[0] must be an integer or a range"),
        ("env.observation=[{kye: a}]", "env.observation[0].kye is not a known key. Did you mean 'key'?"),
        ("extract.action_bounds=[1]", "extract.action_bounds has too few items."),
        ("env.kind=gymnasium", "env.id is missing."),
        ("env=5", "env must be a mapping (lines of 'key: value'), not 5."),
        ("train_rl.parity=true", "train_rl.parity must be a mapping (lines of 'key: value'), not true."),
        ("horizon", "expected KEY=VALUE."),
        ("=3", "expected KEY=VALUE."),
        ("train_rl.steps=[1", "the value is not readable as YAML."),
    ],
)
def test_message_about_an_override_quotes_it(kitchen: Path, override: str, message: str) -> None:
    assert error_of(kitchen, override).startswith(f"--set {override}: {message}")


def test_an_override_is_not_blamed_for_a_key_missing_in_the_file(write: Write) -> None:
    path = write("base.yaml", KITCHEN.replace("dataset:", "source: auto #"))
    assert error_of(path, "extract.episodes=3").startswith("base.yaml:5:1: extract.dataset is missing.")


def test_unknown_names_get_suggestions(kitchen: Path, packaged: Path, write: Write) -> None:
    assert error_of("kitchn") == "There is no recipe 'kitchn'. Did you mean 'kitchen'?"
    assert error_of("nothing.yaml").startswith("There is no recipe file nothing.yaml.")
    assert error_of(kitchen, profile="quik") == "base.yaml has no profile 'quik'. Did you mean 'quick'?"
    child = write("child.yaml", "extends: kitchn\n")
    assert error_of(child) == "child.yaml:1:10: There is no recipe 'kitchn'. Did you mean 'kitchen'?"
    assert error_of(write("c.yaml", "extends: no.yaml\n")) == "c.yaml:1:10: there is no file no.yaml beside c.yaml."
    assert error_of(kitchen, seed=-1).startswith("--seed -1: seed must be greater than or equal to 0")


@pytest.mark.parametrize("text", ["", "- 1\n", "word", "\x00", "profiles: 3\nenv: {kind: kitchen}"])
def test_a_file_that_is_no_recipe_is_refused(write: Write, text: str) -> None:
    assert error_of(write("odd.yaml", text)).startswith("odd.yaml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(b"\xff\xfe\xfa")
    assert "not UTF-8" in error_of(path)


def test_check_reports_all_problems_of_base_and_profiles(write: Write) -> None:
    text = KITCHEN.replace("noise: 0.01", "noise: -1").replace("steps: 1_000", "stepps: 1").replace("horizon", "horizn")
    problems = check_recipe(write("base.yaml", text))
    assert [problem.split(":")[1] for problem in problems] == ["8", "4", "15"]
    assert problems[2].endswith("Did you mean 'steps'? (profile 'quick')")
    assert check_recipe(write("fine.yaml", KITCHEN)) == []
    assert len(check_recipe("missing.yaml")) == 1
