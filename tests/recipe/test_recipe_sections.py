"""Settings that need each other or exclude each other."""

from __future__ import annotations

import pytest

from spirl_cli.domains.maze.section import MazeSection
from spirl_cli.errors import UsageError
from spirl_cli.recipe.load import load_recipe
from tests.support.recipe_data import Write, error_of

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
