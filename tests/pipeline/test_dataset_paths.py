"""A dataset at a path: its content decides, wherever it lies and however its path is spelt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spirl_cli.payload import STAGE_NAMES
from spirl_cli.pipeline.graph import STAGES
from spirl_cli.pipeline.plan import Request, plan
from spirl_cli.recipe.load import load_recipe
from spirl_cli.seals import break_seal
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.fingerprint import fingerprint
from spirl_cli.store.manifest import InputRecord
from spirl_cli.store.names import MANIFEST, version_folder
from spirl_cli.store.store import Store
from tests.support.commands import SWING, MakeWorkspace, Workspace
from tests.support.hostile_data import put, rewrite

RECIPE = SWING.replace("test/pendulum-v0", "data").replace("iterations: 100", "iterations: 20")
RECIPE = RECIPE.replace("steps: 600", "steps: 100").replace("validate_every: 40", "validate_every: 20")
RECIPE = RECIPE.replace("episodes: 20", "episodes: 1").replace("[400, 5000]", "[]")


Status = Callable[..., dict[str, str]]


def write_rollouts(folder: Path, episodes: int = 6) -> None:
    """Write rollouts of something with the sizes and bounds of Pendulum-v1."""
    folder.mkdir(parents=True)
    for number in range(episodes):
        random = np.random.default_rng(number)
        with h5py.File(folder / f"episode{number}.hdf5", "w") as file:
            file["observations"] = random.normal(size=(31, 3)).cumsum(0)
            file["actions"] = random.uniform(-2, 2, (30, 1))
            file.attrs["action_low"], file.attrs["action_high"] = -2.0, 2.0


@pytest.fixture
def own_data(workspace: MakeWorkspace) -> Workspace:
    """A recipe in a folder of its own, beside the data that it names."""
    work = workspace()
    write_rollouts(work.folder / "sub" / "data")
    (work.folder / "sub" / "own.yaml").write_text(RECIPE)
    return work


@pytest.fixture
def status(own_data: Workspace, monkeypatch: pytest.MonkeyPatch) -> Status:
    """Return what a dry run says of every stage, for a recipe in the folder of the data and a dataset."""
    monkeypatch.chdir(own_data.folder)
    monkeypatch.setenv("HERE", str(own_data.folder))
    monkeypatch.setenv("HOME", str(own_data.folder))

    def planned(recipe: str, dataset: str | None = None) -> dict[str, str]:
        overrides = [f"extract.dataset={dataset}"] if dataset is not None else []
        request = Request(load_recipe(recipe, overrides=overrides), Store(Path("artifacts")), STAGES[-1])
        return {one.spec.name: one.status for one in plan(request)}

    return planned


def spellings(folder: Path) -> list[str]:
    """Return names of `sub/data` for a command that runs in a folder."""
    (folder / "link").symlink_to("sub/data")
    (folder / "elsewhere").mkdir()
    shutil.copytree(folder / "sub" / "data", folder / "elsewhere" / "moved")
    relative = ["sub/data", "sub/data/", "./sub/../sub/data", "link", "elsewhere/moved"]
    return [*relative, str(folder / "sub" / "data"), "$HERE/sub/data", "${HERE}/sub/data", "~/sub/data"]


def test_the_same_content_at_any_path_is_up_to_date(own_data: Workspace, status: Status) -> None:
    work = own_data
    work.spirl("run", "sub/own.yaml")  # found beside the recipe, not in the working folder
    every = dict.fromkeys(STAGE_NAMES, "up to date")
    assert status("sub/own.yaml") == every
    for spelling in spellings(work.folder):
        assert status("sub/own.yaml", spelling) == every, spelling
    shutil.move(work.folder / "sub", work.folder / "deep" / "sub")
    assert status("deep/sub/own.yaml") == every
    for path in ("sub", "link", "elsewhere"):
        assert not list((work.folder / "artifacts").rglob(path))


def test_another_content_at_the_same_path_is_not(own_data: Workspace) -> None:
    work = own_data
    work.spirl("extract", "sub/own.yaml")
    with h5py.File(work.folder / "sub" / "data" / "episode0.hdf5", "a") as file:
        file["actions"][0] = 0.5
    done = work.spirl("extract", "sub/own.yaml", "--dry-run")
    assert "input dataset changed" in done.stdout and "extract.dataset" not in done.stdout


def test_data_that_are_gone_are_those_that_were_extracted_from_that_path(own_data: Workspace, status: Status) -> None:
    work = own_data
    work.spirl("extract", "sub/own.yaml")
    shutil.move(work.folder / "sub" / "data", work.folder / "sub" / "away")
    assert status("sub/own.yaml", "./sub/data")["clips"] == "up to date"
    assert status("sub/own.yaml", "./sub/other")["clips"] == "run"


def as_before(artifact: Artifact, text: str) -> Artifact:
    """Rewrite clips as a version of spirl would have made them in which the text of a path counted."""
    manifest = json.loads((artifact.path / MANIFEST).read_text())
    manifest["parameters"]["extract"]["dataset"] = manifest["extra"]["recipe"]["extract"]["dataset"] = text
    manifest["inputs"]["dataset"]["reference"] = f"hdf5:{text}"
    inputs = {name: record["fingerprint"] for name, record in manifest["inputs"].items()}
    manifest["fingerprint"] = fingerprint("clips", 1, manifest["parameters"], inputs)
    break_seal(artifact.path / MANIFEST)
    (artifact.path / MANIFEST).write_text(json.dumps(manifest))
    return Artifact.open(artifact.path.rename(artifact.path.with_name(version_folder(1, manifest["fingerprint"]))))


def test_what_was_made_when_paths_counted_is_still_found(own_data: Workspace, status: Status) -> None:
    work = own_data
    work.spirl("extract", "sub/own.yaml")
    store = Store(work.folder / "artifacts")
    old = as_before(store.artifacts()[0], "sub/data")
    assert old.verify() == []
    work.spirl("run", "sub/own.yaml")
    assert [one.reference for one in store.artifacts(stage="clips")] == ["own/clips@v1"]
    skills = store.artifacts(stage="skills")[0]
    assert skills.manifest.inputs["clips"] == InputRecord("own/clips@v1", old.fingerprint, old.sha256)
    assert set(status("sub/own.yaml", "./sub/data").values()) == {"up to date"}
    rewrite(skills, put("sub/data", "extra", "recipe", "extract", "dataset"))  # as it was typed then
    shutil.rmtree(old.path)
    left = status("sub/own.yaml", "./sub/data")
    assert (left["clips"], left["skills"]) == ("run", "up to date")
    work.spirl("extract", "sub/own.yaml")
    assert [one.fingerprint for one in store.artifacts(stage="clips")] == [old.fingerprint]
    work.spirl("verify", "own/clips@v1")
