"""Where the paths lie that a recipe names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spirl_cli.errors import UsageError
from spirl_cli.pipeline.graph import stage
from spirl_cli.recipe.load import load_recipe
from tests.support.recipe_data import Write


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
