"""Lineage, removal, and differences between artifacts and between installed packages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spirl_cli.errors import UsageError
from spirl_cli.store import provenance
from spirl_cli.store.diff import ABSENT, Difference, diff
from spirl_cli.store.manifest import InputRecord
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.store_data import commit, identity, make


def test_lineage_follows_inputs_to_the_dataset(store: Store, tmp_path: Path) -> None:
    dataset = InputRecord("minari:relay/kitchen-human-v0", "d" * 12, "d" * 64)
    with open_run(store, "kitchen", "clips", identity("clips", {}, {"dataset": dataset})) as run:
        (run.folder / "weights.bin").write_bytes(b"clips")
        clips = commit(run, {}, inputs={"dataset": dataset})
    skills = make(store, inputs={"clips": clips})
    prior = make(store, stage="prior", inputs={"clips": clips, "skills": skills})
    for elsewhere in (store, Store(tmp_path / "other")):
        tree = elsewhere.lineage(prior)
        assert [(item.name, item.status, item.artifact) for item in tree] == [
            ("clips", "present", clips),
            ("skills", "present", skills),
        ]
        assert [item.status for item in tree[1].inputs[0].inputs] == ["dataset"]
    assert store.dependents(clips) == [skills, prior]


def test_lineage_tells_a_replaced_and_a_missing_input(store: Store) -> None:
    clips = make(store, stage="clips")
    skills = make(store, inputs={"clips": clips})
    again = make(store, stage="clips", seconds=1.0)
    store.remove(clips, force=True)
    assert [(item.status, item.artifact) for item in store.lineage(skills)] == [("changed", again)]
    store.remove(again)
    assert [(item.status, item.artifact) for item in store.lineage(skills)] == [("missing", None)]


def test_an_artifact_that_others_were_made_from_is_protected(store: Store) -> None:
    clips = make(store, stage="clips")
    skills = make(store, inputs={"clips": clips})
    with pytest.raises(UsageError, match="kitchen/skills@v1 was made from it"):
        store.remove(clips)
    assert clips.path.is_dir()
    store.remove(clips, force=True)
    store.remove(skills)
    assert store.artifacts() == [] and not list(store.root.rglob("weights.bin"))


def test_an_artifact_outside_the_store_is_not_removed(store: Store, tmp_path: Path) -> None:
    artifact = make(store)
    with pytest.raises(UsageError, match="not in the store"):
        Store(tmp_path / "other").remove(artifact)
    assert artifact.path.is_dir()


# differences and drift


def test_diff_lists_parameters_inputs_and_packages(store: Store) -> None:
    clips, other = make(store, stage="clips"), make(store, stage="clips", parameters={"horizon": 5})
    first = make(store, parameters={"horizon": 10.0, "noise": [{"sigma": 0.1}]}, inputs={"clips": clips})
    second = make(store, parameters={"horizon": 10, "noise": [{"sigma": 0.2}]}, inputs={"clips": other})
    drifted = replace(second.manifest, packages={**second.manifest.packages, "torch": "0.1"})
    found = diff(first, replace(second, data=drifted.to_json()))
    assert found[0] == Difference("noise[0].sigma", 0.1, 0.2)
    assert found[1].path == "inputs.clips" and found[1].left == f"kitchen/clips@v1 ({clips.fingerprint})"
    assert [item.path for item in found[2:]] == ["packages.torch"]
    assert diff(first, first) == []
    with pytest.raises(UsageError, match="different stages"):
        diff(first, clips)


def test_package_drift_is_told_and_is_not_identity(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make(store)
    assert provenance.package_drift(artifact.manifest.packages) == []
    then = {**artifact.manifest.packages, "numpy": "0.1", "gone": "1.0"}
    now = artifact.manifest.packages["numpy"]
    assert provenance.package_drift(then) == [Difference("gone", "1.0", ABSENT), Difference("numpy", "0.1", now)]
    monkeypatch.setattr(provenance, "installed_packages", lambda: then)
    assert store.find("skills", artifact.fingerprint) == artifact
    assert make(store).fingerprint == artifact.fingerprint
