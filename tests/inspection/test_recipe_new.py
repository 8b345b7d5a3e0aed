"""`spirl recipe new`: a recipe from what a dataset and an environment show, which runs as it stands."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from spirl_cli.domains.section import EnvSection
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.schema import Recipe
from tests.support.commands import RunCli
from tests.support.datasets import SyntheticMinari, make_reach_dataset
from tests.support.format_writers import make_episodes, write_ogbench

PENDULUM = ("--dataset", "test/pendulum-v0", "--env", "Pendulum-v1")
REACH = ("--dataset", "test/reach-v0", "--env", "Reach-v0", "--module", "tests.support.environments")


@pytest.fixture
def reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset of `ReachEnv` among the local ones."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    make_reach_dataset("test/reach-v0")


def written(command: RunCli, tmp_path: Path, *arguments: str) -> Recipe:
    """Write a recipe and load it."""
    done = command("recipe", "new", "mine.yaml", *arguments)
    assert (done.returncode, done.stdout) == (0, "mine.yaml\n"), done.stderr
    return load_recipe(tmp_path / "mine.yaml")


def keys_of(env: EnvSection) -> list[str | None]:
    return [part.key for part in env.observation]


def test_a_pendulum_gets_a_recipe(synthetic_minari: SyntheticMinari, command: RunCli, tmp_path: Path) -> None:
    recipe = written(command, tmp_path, *PENDULUM)
    assert (recipe.env.episode_length, keys_of(recipe.env)) == (200, [None])  # the limit that it is registered with
    assert recipe.extract.dataset == "test/pendulum-v0" and recipe.extract.action_bounds is None
    skills = recipe.train_skills
    assert (skills.horizon, skills.latent_dim, skills.target_kl, skills.state_indices) == (6, 2, 1.0, None)
    (noise,) = skills.augmentation.state_noise
    assert (noise.indices, noise.sigma) == (("0:3",), "2%")


def test_every_value_says_where_it_comes_from(
    synthetic_minari: SyntheticMinari, command: RunCli, tmp_path: Path
) -> None:
    written(command, tmp_path, *PENDULUM)
    text = (tmp_path / "mine.yaml").read_text()
    assert "extends" not in yaml.safe_load(text)
    lines = text.partition("profiles:")[0].splitlines()
    values = [(before, line) for before, line in itertools.pairwise(lines) if line.startswith("  ")]
    assert len(values) > 20
    assert [line for before, line in values if "# " not in line and not before.strip().startswith("#")] == []
    assert text.startswith("# Pendulum-v1") and "spirl run mine.yaml --profile quick" in text


def test_goals_are_selected_and_hidden_from_the_decoder(reach: None, command: RunCli, tmp_path: Path) -> None:
    recipe = written(command, tmp_path, *REACH)
    assert keys_of(recipe.env) == ["observation", "desired_goal"]
    assert recipe.env.episode_length == 40
    assert recipe.train_skills.state_indices == ("0:4",)
    assert recipe.env.model_dump()["success_key"] == "is_success"  # not success_rate, which is no bool


def test_bounds_are_given_where_the_dataset_has_others(
    command: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    make_reach_dataset("test/reach-v0", scale=2.0)
    recipe = written(command, tmp_path, *REACH)
    assert (recipe.extract.action_bounds, recipe.extract.out_of_bounds) == ((-0.5, 0.5), "clip")
    assert "the dataset says -1 to 1" in (tmp_path / "mine.yaml").read_text()


def test_a_file_is_never_overwritten(synthetic_minari: SyntheticMinari, command: RunCli, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine")
    done = command("recipe", "new", "mine.yaml", *PENDULUM)
    assert done.returncode == 2 and "exists already" in done.stderr
    assert (tmp_path / "mine.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--dataset", "test/pendulum-v0", "--env", "Pendulumm-v1"), 2, "Did you mean 'Pendulum-v1'"),
        (("--dataset", "test/pendulum-v0", "--env", "CartPole-v1"), 2, "continuous actions"),
        (("--dataset", "test/pendulum-v9", "--env", "Pendulum-v1"), 3, "no Minari dataset of this id"),
        (("--dataset", "test/kitchen-v0", "--env", "Pendulum-v1"), 3, "observation (59)"),
        (("--dataset", "test/pendulum-v0", "--env", "Pendulum-v1", "--module", "nothing_here"), 2, "nothing_here"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    arguments: tuple[str, ...],
    code: int,
    message: str,
    synthetic_minari: SyntheticMinari,
    command: RunCli,
    tmp_path: Path,
) -> None:
    done = command("recipe", "new", "mine.yaml", *arguments)
    assert done.returncode == code and message in done.stderr
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.slow
def test_the_recipe_of_a_pendulum_runs_as_it_stands(synthetic_minari: SyntheticMinari, run_cli: RunCli) -> None:
    assert run_cli("recipe", "new", "mine.yaml", *PENDULUM).returncode == 0
    done = run_cli("run", "mine.yaml", "--profile", "quick", timeout=600)
    assert done.returncode == 0 and "mine/evaluation/v001-" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_recipe_of_an_environment_with_goals_runs_as_it_stands(reach: None, run_cli: RunCli) -> None:
    assert run_cli("recipe", "new", "mine.yaml", *REACH).returncode == 0
    done = run_cli("run", "mine.yaml", "--profile", "quick", timeout=600)
    assert done.returncode == 0 and "mine/evaluation/v001-" in done.stdout, done.stderr


def test_several_datasets_get_one_recipe(synthetic_minari: SyntheticMinari, command: RunCli, tmp_path: Path) -> None:
    alone = written(command, tmp_path, *PENDULUM)
    (tmp_path / "mine.yaml").unlink()
    more = write_ogbench(tmp_path / "more.npz", make_episodes(4, states=3, actions=1, shortest=21))
    recipe = written(command, tmp_path, *PENDULUM, "--dataset", str(more))
    assert recipe.extract.datasets == ("test/pendulum-v0", str(more))
    assert recipe.train_skills.horizon == alone.train_skills.horizon
    assert "12 episodes of 20 to 60 steps" in (tmp_path / "mine.yaml").read_text()
    assert recipe.extract.action_bounds == (-2, 2), "one of them does not say its bounds"


def test_datasets_that_do_not_fit_are_refused(synthetic_minari: SyntheticMinari, command: RunCli) -> None:
    done = command("recipe", "new", "mine.yaml", *PENDULUM, "--dataset", synthetic_minari.kitchen)
    assert done.returncode == 3 and "test/pendulum-v0 has the observations (plain array) 3; " in done.stderr
