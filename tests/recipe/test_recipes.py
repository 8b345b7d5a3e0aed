"""Recipes: inheritance, profiles, overrides, what is refused and where the message points."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from spirl_cli.domains.sections import GymnasiumSection, KitchenSection, MazeSection
from spirl_cli.errors import UsageError
from spirl_cli.indices import expand_indices
from spirl_cli.recipe import folder
from spirl_cli.recipe.library import check_recipe, copy_recipe, find_recipe, list_recipes, packaged_recipes
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.yaml_places import read_scalar

KITCHEN = """\
# Kitchen for tests.
env:
  kind: kitchen
  noise: 0.01
extract:
  dataset: test/kitchen-v0
train_skills:
  horizon: 10
  learning_rate: 1e-3
  augmentation:
    independent: 0.5
profiles:
  quick:
    train_skills: {iterations: 20}
    train_rl: {steps: 1_000}
"""
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file of the working folder and returns its (relative) path."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, text: str) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def kitchen(write: Write) -> Path:
    return write("base.yaml", KITCHEN)


@pytest.fixture
def packaged(write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packaged recipes: kitchen, and paper/kitchen which inherits from it."""
    write("pack/kitchen.yaml", KITCHEN)
    child = '# As published.\nextends: "../kitchen.yaml"  # and changes\ntrain_skills: {horizon: 5}\n'
    write("pack/paper/kitchen.yaml", child)
    root = Path("pack").resolve()
    monkeypatch.setattr(folder, "recipe_folder", lambda: root)
    return root


def error_of(ref: Path | str, *overrides: str, profile: str | None = None, seed: int | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        load_recipe(ref, overrides=overrides, profile=profile, seed=seed)
    return caught.value.message


# --- the recipes of this repository ---------------------------------------------------------


@pytest.mark.parametrize("name", packaged_recipes())
def test_packaged_recipe_loads_with_every_profile(name: str) -> None:
    assert check_recipe(name) == []
    profiles = {info.name: info.profiles for info in list_recipes()}[name]
    assert "quick" in profiles
    for profile in (None, *profiles):
        recipe = load_recipe(name, profile=profile)
        assert recipe.id == name.replace("/", "-")
        assert recipe.profile == profile


@pytest.mark.parametrize("path", packaged_recipes().values(), ids=packaged_recipes())
def test_packaged_recipe_opens_with_a_comment_and_its_command(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    assert "spirl " in "\n".join(comment)


# --- inheritance, profiles, overrides, seeds ------------------------------------------------


def test_child_changes_only_what_it_names(write: Write, kitchen: Path) -> None:
    child = write("child.yaml", "extends: base.yaml\ntrain_skills:\n  horizon: 5\nenv:\n  tasks: [kettle]\ntrain_rl:\n")
    recipe = load_recipe(child)
    assert (recipe.train_skills.horizon, recipe.train_skills.learning_rate) == (5, 1e-3)
    assert isinstance(recipe.env, KitchenSection)
    assert (recipe.env.tasks, recipe.env.noise) == (("kettle",), 0.01)
    assert recipe.id == "child"


def test_profiles_are_inherited_and_merged(write: Write, kitchen: Path) -> None:
    child = write("child.yaml", "extends: base.yaml\nprofiles:\n  quick: {train_rl: {steps: 7}}\n  long:\n")
    quick = load_recipe(child, profile="quick")
    assert (quick.profile, quick.train_skills.iterations, quick.train_rl.steps) == ("quick", 20, 7)
    assert load_recipe(child, profile="long").train_skills == load_recipe(child).train_skills


def test_extends_reaches_over_several_files_and_folders(write: Write, kitchen: Path) -> None:
    write("a/middle.yaml", "extends: ../base.yaml\nseed: 4\n")
    leaf = write("a/b/leaf.yaml", "extends: ../middle.yaml\nenv: {noise: 0}\n")
    recipe = load_recipe(leaf)
    assert (recipe.seed, recipe.env.noise, recipe.train_skills.horizon) == (4, 0, 10)


def test_extends_accepts_a_packaged_name_even_in_a_file_of_that_name(write: Write, packaged: Path) -> None:
    own = write("kitchen.yaml", "extends: kitchen\nseed: 3\n")
    assert load_recipe(own).seed == 3
    assert load_recipe(write("mine.yaml", "extends: paper/kitchen\n")).train_skills.horizon == 5


def test_inheriting_from_itself_is_an_error(write: Write) -> None:
    write("a.yaml", "extends: b.yaml\n")
    write("b.yaml", "\nextends: a.yaml\n")
    assert error_of("a.yaml") == "b.yaml:2:10: a.yaml inherits from itself."


def test_another_kind_of_environment_replaces_the_section_also_in_profiles(write: Write) -> None:
    profiles = "profiles: {quick: {env: {tasks: [kettle]}, train_rl: {steps: 10}}}\n"
    write("kitchen.yaml", f"env: {{kind: kitchen, order: in-order}}\nextract: {{dataset: a/b}}\n{profiles}")
    text = "extends: kitchen.yaml\nenv: {kind: gymnasium, id: Pendulum-v1, episode_length: 200}\n"
    recipe = load_recipe(write("pendulum.yaml", text), profile="quick")
    assert isinstance(recipe.env, GymnasiumSection)
    assert (recipe.env.order, recipe.train_rl.steps) == (None, 10)


def test_override_values_are_yaml_and_may_contain_equals_signs(kitchen: Path) -> None:
    overrides = ["train_skills.beta=1e-3", "extract.dataset=x=y=z", "env.tasks=[kettle, 'light switch']", "seed=2"]
    recipe = load_recipe(kitchen, overrides=[*overrides, "train_rl.steps=100_000", "train_rl.steps=2e5"])
    assert recipe.train_skills.beta == 1e-3
    assert recipe.extract.dataset == "x=y=z"
    assert isinstance(recipe.env, KitchenSection) and recipe.env.tasks == ("kettle", "light switch")
    assert recipe.train_rl.steps == 200_000


def test_overrides_come_after_the_profile_and_their_order_does_not_matter_for_the_kind(kitchen: Path) -> None:
    assert load_recipe(kitchen, profile="quick", overrides=["train_rl.steps=5"]).train_rl.steps == 5
    overrides = ["env.id=Pendulum-v1", "env.episode_length=200", "env.kwargs={g: 9.8}", "env.kind=gymnasium"]
    env = load_recipe(kitchen, overrides=overrides).env
    assert isinstance(env, GymnasiumSection) and env.kwargs == {"g": 9.8}


def test_nulls_that_refer_to_other_sections_are_resolved(kitchen: Path) -> None:
    recipe = load_recipe(kitchen, overrides=["evaluate.seed=9", "seed=1"], seed=5)
    seeds = [recipe.extract.seed, recipe.train_skills.seed, recipe.train_prior.seed, recipe.train_rl.seed]
    assert (recipe.seed, seeds, recipe.evaluate.seed) == (5, [5] * 4, 9)
    assert recipe.extract.observation == recipe.env.observation
    assert recipe.train_prior.augmentation == recipe.train_skills.augmentation
    assert recipe.train_skills.augmentation.independent == 0.5


def test_null_takes_back_an_inherited_mapping(write: Write, kitchen: Path) -> None:
    write("middle.yaml", "extends: base.yaml\ntrain_prior: {augmentation: {independent: 0.9}}\n")
    leaf = write("leaf.yaml", "extends: middle.yaml\ntrain_prior: {augmentation: null}\n")
    augmentation = load_recipe(leaf).train_prior.augmentation
    assert augmentation is not None and augmentation.independent == 0.5


# --- messages and places --------------------------------------------------------------------


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


# --- scalars and indices --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-2.5e+1", -25.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("40_000", 40000),
        ("010", 10),
        ("-7", -7),
        ("true", True),
        ("~", None),
        ("", None),
        ("18:39", "18:39"),  # PyYAML: 1119
        ("2024-01-01", "2024-01-01"),  # PyYAML: a date
        ("off", "off"),  # PyYAML: False
        ("1e", "1e"),
        ("D4RL/kitchen/mixed-v2", "D4RL/kitchen/mixed-v2"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    found = read_scalar(text)
    assert found == value and type(found) is type(value)


def test_quoted_numbers_stay_text_and_aliases_work(write: Write, kitchen: Path) -> None:
    text = 'extends: base.yaml\nenv: {observation: &o [{key: "1", indices: [0:9]}]}\nextract: {observation: *o}\n'
    recipe = load_recipe(write("child.yaml", text))
    assert recipe.env.observation[0].key == "1"
    assert recipe.extract.observation == recipe.env.observation
    assert "alias contains itself" in error_of(write("loop.yaml", "env: &a {kwargs: *a}\n"))


def test_indices_are_like_pythons() -> None:
    numbers = list(range(12))
    assert expand_indices(None, 3) == [0, 1, 2]
    assert expand_indices((3, -1, "0:2"), 12) == [3, 11, 0, 1]
    for text, part in ((":4", slice(4)), ("8:", slice(8, None)), ("-3:-1", slice(-3, -1)), ("1:9:3", slice(1, 9, 3))):
        assert expand_indices((text,), 12) == numbers[part]


@pytest.mark.parametrize("index", [12, -13, "0:13", "20:", "5:5", "9:3", "1:2:0", "1-2", "a:b"])
def test_indices_outside_are_refused(index: int | str) -> None:
    with pytest.raises(UsageError, match=str(index)):
        expand_indices((index,), 12)


# --- names, ids, listing, copying -----------------------------------------------------------


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
    checkout = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


MAZE = """\
# Maze for tests.
env: {kind: maze, size: 20}
extract: {source: planner, episodes: 10, planner: {}}
"""


def test_a_layout_file_becomes_part_of_the_recipe(write: Write) -> None:
    rows = "####\n#..#\n####\n"
    write("mazes/tiny.txt", rows)
    recipe = write("mazes/maze.yaml", MAZE)
    for given in ("tiny.txt", "mazes/tiny.txt"):  # beside the recipe, or from here
        env = load_recipe(recipe, overrides=[f"env.layout={given}"]).env
        assert isinstance(env, MazeSection) and env.layout == rows
    with pytest.raises(UsageError, match=r"env\.layout: there is no file 'other\.txt'"):
        load_recipe(recipe, overrides=["env.layout=other.txt"])


def test_images_that_can_be_drawn_are_not_extracted(write: Write) -> None:
    recipe = load_recipe(write("maze.yaml", MAZE))
    assert [part.key for part in recipe.env.observation] == ["state", "image"]
    assert recipe.extract.observation is not None
    assert [part.key for part in recipe.extract.observation] == ["state"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("env.start=[1, 1]", "env.start and env.goal are given together"),
        ("extract.episodes=null", "needs extract.planner and extract.episodes"),
        ("extract.source=auto", "extract.dataset is missing"),
    ],
)
def test_incomplete_maze_recipes_say_what_is_missing(write: Write, override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_recipe(write("maze.yaml", MAZE), overrides=[override])


MIXTURE = ["train_rl.policy_family=mixture", "train_prior.family=mixture", "train_prior.objective=nll"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train_rl.policy_family=mixture"], "needs train_prior.family: mixture"),
        ([*MIXTURE, "train_rl.initial_policy=scratch"], "needs train_prior.family: mixture to start from"),
        ([*MIXTURE, "train_rl.squash=tanh"], "needs train_rl.squash: none"),
        (["train_skills.decoder_steps=11"], "at most train_skills.horizon"),
        (["train_skills.decoder_steps=3", "train_skills.model=open-loop"], "is for a closed-loop model"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(overrides: list[str], message: str) -> None:
    assert message in error_of("kitchen", *overrides)
