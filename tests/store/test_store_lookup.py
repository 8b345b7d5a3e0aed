"""Where the store is, and how artifacts are found in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from spirl_cli.errors import ArtifactError
from spirl_cli.store.names import MANIFEST
from spirl_cli.store.references import known_references
from spirl_cli.store.store import Store, default_root, reference_store
from spirl_cli.store.writer import open_run
from tests.support.commands import CHECKOUT, run_python
from tests.support.store_data import make


def test_an_empty_store_is_no_error(store: Store) -> None:
    assert not store.artifacts() and not store.broken() and not store.runs()
    assert store.newest() is None and store.find("skills", "0" * 12) is None and store.nearest("skills", {}) == []


def test_find_prefers_the_recipes_own_artifact(store: Store) -> None:
    own, other = make(store, recipe="kitchen"), make(store, recipe="other")
    assert store.find("skills", own.fingerprint, recipe="kitchen") == own
    assert store.find("skills", own.fingerprint, recipe="third") == other
    assert store.find("prior", own.fingerprint) is None


def test_newest_never_picks_a_quick_profile(store: Store) -> None:
    full = make(store)
    quick = make(store, parameters={"horizon": 5}, profile="quick")
    assert quick.manifest.quick and store.newest("kitchen", "skills") == full
    assert store.newest() == store.resolve("kitchen/skills") == full
    assert store.resolve("kitchen/skills@v2") == quick
    store.remove(full)
    assert store.newest("kitchen", "skills") is None
    with pytest.raises(ArtifactError, match="only artifacts of the quick profile") as caught:
        store.resolve("kitchen/skills")
    assert caught.value.hint.endswith("kitchen/skills@v2")


@pytest.mark.parametrize("text", ["kitchen/skills", "kitchen/skills@v2", "kitchen/skills@2", "kitchen/skills@v002\n"])
def test_references_that_stand_for_the_second_version(store: Store, text: str) -> None:
    make(store)
    second = make(store)
    assert store.resolve(text) == second


def test_a_path_is_a_reference_too(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make(store)
    elsewhere = shutil.copytree(artifact.path, tmp_path / "copy")
    monkeypatch.chdir(tmp_path)
    assert store.resolve(str(artifact.path)) == artifact
    assert store.resolve(str(artifact.path / MANIFEST)) == artifact
    assert store.resolve("copy").reference == "kitchen/skills@v1"
    assert elsewhere.is_dir()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kichen/skills", r"no artifact 'kichen/skills' in .*Did you mean 'kitchen/skills'\?"),
        ("kitchen/skill", r"Did you mean 'kitchen/skills'\?"),
        ("kitchen/skills@v7", r"kitchen/skills has no version 7; there is v1"),
        ("", "no artifact ''"),
    ],
)
def test_a_reference_to_nothing_gets_a_helpful_answer(store: Store, text: str, said: str) -> None:
    make(store)
    with pytest.raises(ArtifactError, match=said) as caught:
        store.resolve(text)
    assert "spirl list" in caught.value.hint


def test_paths_that_are_no_artifacts_are_explained(store: Store) -> None:
    artifact = make(store)
    with open_run(store, "kitchen", "skills", "0" * 12) as run:
        folder = run.folder
        (folder / "metrics.csv").write_bytes(b"step")
    with pytest.raises(ArtifactError, match="unfinished run"):
        store.resolve(str(folder))
    with pytest.raises(ArtifactError, match="not an artifact"):
        store.resolve(str(artifact.path.parent.parent))


def test_the_folder_of_a_stage_stands_for_its_newest_artifact(store: Store) -> None:
    make(store)
    newest = make(store, parameters={"horizon": 5})
    assert store.resolve(str(newest.path.parent)).path.samefile(newest.path)


def test_an_artifact_of_the_wrong_stage_is_refused(store: Store) -> None:
    make(store)
    assert store.resolve("kitchen/skills", stage="skills")
    with pytest.raises(ArtifactError, match="of stage 'skills', but one of stage 'prior' is needed"):
        store.resolve("kitchen/skills", stage="prior")


def test_known_references_are_those_that_can_be_typed(store: Store) -> None:
    make(store)
    make(store, recipe="maze", profile="quick")
    assert known_references(store) == ["kitchen/skills", "kitchen/skills@v1", "maze/skills@v1"]


def test_other_folders_below_the_root_are_ignored(store: Store) -> None:
    artifact = make(store)
    for name in ("reference/kitchen/skills/v001-" + "0" * 12, "kitchen/notes", "kitchen/skills/v1-old", ".git/skills"):
        (store.root / name).mkdir(parents=True)
    (store.root / "README").write_text("")
    assert store.artifacts() == [artifact] and store.broken() == []


def test_nearest_names_the_parameters_that_differ(store: Store) -> None:
    far = make(store, parameters={"horizon": 5, "beta": 1e-3, "noise": {"sigma": 0.1}, "extra": 1})
    near = make(store, parameters={"horizon": 5, "beta": 5e-4, "noise": {"sigma": 0.1}})
    make(store, stage="prior", parameters={"horizon": 10})
    wanted = {"horizon": 10, "beta": 5e-4, "noise": {"sigma": 0.1}}
    assert store.nearest("skills", wanted) == [
        (near, ["horizon: 5 → 10"]),
        (far, ["beta: 0.001 → 0.0005", "extra: 1 → absent", "horizon: 5 → 10"]),
    ]
    assert len(store.nearest("skills", wanted, limit=1)) == 1


# where the store is


def test_the_root_comes_from_the_option_then_the_variable_then_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_root() == Path("artifacts")
    monkeypatch.setenv("SPIRL_ARTIFACTS", "/data/artifacts")
    assert default_root() == Path("/data/artifacts")
    assert default_root("here") == Path("here")


def test_the_reference_store_is_that_of_the_checkout() -> None:
    found = reference_store()
    assert found is None or found.root == CHECKOUT / "artifacts" / "reference"
    assert (found is not None) == (CHECKOUT / "artifacts" / "reference").is_dir()


def test_importing_the_store_imports_nothing_heavy() -> None:
    heavy = "('numpy', 'torch', 'pydantic', 'mujoco', 'gymnasium', 'minari', 'h5py')"
    code = "import sys; import spirl_cli.store.store, spirl_cli.store.writer; "
    assert run_python(code + f"print([name for name in {heavy} if name in sys.modules])").stdout == "[]\n"
