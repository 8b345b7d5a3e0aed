"""Where the paths lie that a recipe names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.domains.maze.section import MazeSection
from spirl_cli.errors import UsageError
from spirl_cli.pipeline.graph import stage
from spirl_cli.recipe.library import copy_recipe
from spirl_cli.recipe.load import load_recipe
from tests.support.recipe_data import Write

ROWS = "..........\n" * 10


def dataset_of(recipe: Path | str, *overrides: str) -> str | None:
    return load_recipe(recipe, overrides=overrides).extract.dataset


def test_a_path_is_looked_for_beside_the_file_that_names_it(write: Write) -> None:
    own = "env: {kind: gymnasium, id: A-v0, episode_length: 9}\nextract: {dataset: data}\n"
    base, here = write("base/base.yaml", own), Path.cwd()
    child = write("child/child.yaml", "extends: ../base/base.yaml\n")
    assert dataset_of(base) == "data"  # nothing of that name: may be an id
    (here / "data").mkdir()
    assert dataset_of(child) == str(here / "data")
    (here / "child" / "data").mkdir()
    assert dataset_of(child) == str(here / "data")
    (here / "base" / "data").mkdir()
    assert dataset_of(child) == dataset_of(base) == str(here / "base" / "data")
    assert dataset_of(child, "extract.dataset=data") == str(here / "data")
    assert dataset_of(child, "extract.dataset=./none") == str(here / "none")
    assert dataset_of(child, "extract.dataset=a/b-v0") == "a/b-v0"
    assert dataset_of(child, "extract.source=minari") == "data"
    assert dataset_of(child, "extract.source=hdf5", "extract.dataset=x") == str(here / "x")


def test_variables_and_the_home_folder_are_written_out(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "env: {kind: gymnasium, id: A-v0, episode_length: 9}\nextract: {dataset: $PLACE/data}\n"
    recipe = write("own.yaml", own)
    monkeypatch.setenv("PLACE", "/some/where")
    monkeypatch.setenv("HOME", "/home/me")
    assert dataset_of(recipe) == "/some/where/data"
    assert dataset_of(recipe, "extract.dataset=~/data") == "/home/me/data"
    (Path.cwd() / "$PLACE").mkdir()
    (Path.cwd() / "$PLACE/data").mkdir()
    assert dataset_of(recipe) == str(Path.cwd() / "$PLACE/data"), "a folder of that very name"
    shutil.rmtree(Path.cwd() / "$PLACE")
    monkeypatch.delenv("PLACE")
    with pytest.raises(UsageError, match=r"own.yaml:2:.*extract.dataset: the environment variable PLACE is not set"):
        load_recipe(recipe)
    for odd in ("a" * 5000, "~nobody/x", "a" * 300 + "/b"):
        assert dataset_of(recipe, f"extract.dataset={odd}")


def test_paths_are_no_part_of_what_decides_about_clips(write: Write) -> None:
    own = "env: {kind: gymnasium, id: A-v0, episode_length: 9}\n"
    found = {
        dataset: stage("clips").parameters(load_recipe(write("own.yaml", f"{own}extract: {{dataset: {dataset}}}\n")))
        for dataset in ("/a/b", "/c", os.curdir, "x/y-v0")
    }
    assert found["/a/b"] == found["/c"] == found["."] and found["/c"]["extract"]["dataset"] is None
    assert found["x/y-v0"]["extract"]["dataset"] == "x/y-v0"


def test_a_module_and_a_layout_are_looked_for_beside_the_file_that_names_them(write: Write) -> None:
    write("base/own.py", "")
    base = write("base/base.yaml", "env: {kind: gymnasium, id: A-v0, episode_length: 9, module: ./own.py}\n")
    child = write("child/child.yaml", "extends: ../base/base.yaml\nextract: {dataset: x/y-v0}\n")
    env = load_recipe(child).env
    assert isinstance(env, GymnasiumSection) and env.folder is not None
    assert (env.folder / "own.py").resolve() == base.parent.resolve() / "own.py"
    write("base/rows.txt", ROWS)
    write("base/maze.yaml", "extends: maze\nenv: {layout: rows.txt}\n")
    layout = load_recipe(write("child/maze.yaml", "extends: ../base/maze.yaml\n")).env
    assert isinstance(layout, MazeSection) and layout.layout == ROWS


PATHS = """\
extends: {extends}
# data: of this week
env: {{kind: maze, layout: {layout}}}
extract: {{dataset: {dataset}, episodes: 3}}  # not data
profiles:
  quick:
    extract:
      dataset: "own data: \\u00fc/two.hdf5"
"""


@pytest.mark.parametrize("target", ["copy.yaml", "deep/er/copy.yaml", "a b: ü/copy.yaml"])
@pytest.mark.parametrize(
    ("dataset", "extends"), [("data", "parent.yaml"), ("'data'", '"parent.yaml"'), ('"data"', "maze  # packaged")]
)
def test_a_copy_names_the_same_files(target: str, dataset: str, extends: str, write: Write) -> None:
    here = Path.cwd()
    write("sub/parent.yaml", "extends: maze\nseed: 5\n")
    write("sub/rows.txt", ROWS)
    for name in ("sub/data", "sub/own data: ü"):
        (here / name).mkdir()
    (here / "sub/own data: ü/two.hdf5").touch()
    original = write("sub/mine.yaml", PATHS.format(extends=extends, layout="rows.txt", dataset=dataset))
    copy = copy_recipe(str(original), here / target)
    for profile in (None, "quick"):
        before, after = (load_recipe(one, profile=profile) for one in (original, copy))
        assert before.extract.dataset and Path(before.extract.dataset).parent.is_relative_to(here / "sub")
        assert after == before.model_copy(update={"id": after.id})
    assert "# data: of this week" in copy.read_text() and "# not data" in copy.read_text()


def test_a_copy_leaves_alone_what_is_no_path(write: Write) -> None:
    text = "extends: maze\nextract:\n  dataset: >\n    data\nenv: {layout: null, goal_radius: 3}\n"
    original = write("sub/mine.yaml", text)
    (Path.cwd() / "sub/data\n").mkdir()
    assert copy_recipe(str(original), Path("copy.yaml")).read_text() == text
