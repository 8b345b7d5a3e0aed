"""One artifact: what it is made of, and how damage is found and named."""

from __future__ import annotations

import json
import math
import os
import shutil

import pytest

from spirl_cli.errors import ArtifactError
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.fingerprint import sha256_file
from spirl_cli.store.manifest import FORMAT_VERSION, InputRecord
from spirl_cli.store.manifest_file import parse_manifest
from spirl_cli.store.names import MANIFEST
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.store_data import commit, make, names_in


def test_an_artifact_holds_what_was_kept_and_says_what_it_is(store: Store) -> None:
    clips = make(store, stage="clips", parameters={"dataset": "D4RL"})
    skills = make(store, inputs={"clips": clips}, metrics={"kl": 0.1}, extra={"steps": [1, 2]}, seconds=90.5)
    assert skills.path.parent == store.root / "kitchen" / "skills"
    assert names_in(skills.path.parent) == [f"v001-{skills.fingerprint}"]
    assert names_in(skills.path) == [MANIFEST, "weights.bin"]
    assert skills.file("weights.bin").read_bytes() == b"weights"
    manifest = skills.manifest
    assert manifest.reference == "kitchen/skills@v1"
    assert manifest.inputs["clips"] == InputRecord(
        "kitchen/clips@v1", clips.fingerprint, sha256_file(clips.path / MANIFEST)
    )
    assert (manifest.metrics, manifest.extra, manifest.seconds) == ({"kl": 0.1}, {"steps": [1, 2]}, 90.5)
    assert manifest.started <= manifest.finished
    assert manifest.packages["numpy"] and manifest.machine.cores >= 1 and manifest.command[0] == "spirl"
    assert skills.verify() == []


def test_the_manifest_survives_a_round_trip_exactly(store: Store) -> None:
    metrics = {"third": 1 / 3, "tiny": 5e-324, "infinite": -math.inf, "one": 1.0}
    manifest = make(store, parameters={"bound": math.inf, "tasks": ("microwave", "kettle")}, metrics=metrics).manifest
    assert manifest.metrics == metrics
    assert manifest.parameters == {"bound": "Infinity", "tasks": ["microwave", "kettle"]}
    assert parse_manifest(manifest.to_json(), "here") == manifest
    json.loads(manifest.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_folders_are_kept_with_all_that_is_in_them(store: Store) -> None:
    with open_run(store, "kitchen", "agent", "0" * 12) as run:
        (run.folder / "snapshots" / "early").mkdir(parents=True)
        (run.folder / "snapshots" / "early" / "policy.bin").write_bytes(b"1")
        (run.folder / "snapshots" / "policy.bin").write_bytes(b"2")
        artifact = commit(run, {}, keep=["snapshots", "snapshots/policy.bin"])
    assert [output.file for output in artifact.manifest.outputs] == [
        "snapshots/early/policy.bin",
        "snapshots/policy.bin",
    ]
    assert artifact.folder("snapshots").is_dir()
    (artifact.path / "snapshots" / "policy.bin").write_bytes(b"3")
    with pytest.raises(ArtifactError, match=r"policy\.bin does not have the checksum"):
        artifact.folder("snapshots")


@pytest.mark.parametrize(
    ("name", "error"), [("absent.bin", FileNotFoundError), ("../x", ValueError), ("/x", ValueError)]
)
def test_a_stage_cannot_keep_what_is_not_in_its_folder(store: Store, name: str, error: type[Exception]) -> None:
    with open_run(store, "kitchen", "skills", "0" * 12) as run:
        (run.folder / "checkpoint-5.safetensors").write_bytes(b"")
        with pytest.raises(error):
            commit(run, {}, keep=[name])
    assert store.artifacts() == [] and store.runs()[0].has_checkpoint


def test_committing_works_without_hard_links(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    assert make(store).verify() == []


# corruption


def test_a_changed_file_is_found_on_reading_and_named(store: Store) -> None:
    artifact = make(store)
    assert artifact.file("weights.bin")  # checked once, and still checked again after a change
    (artifact.path / "weights.bin").write_bytes(b"wEights")
    os.utime(artifact.path / "weights.bin", ns=(1, 1))
    with pytest.raises(ArtifactError, match=r"kitchen/skills@v1 is corrupt: .*weights.bin does not have the checksum"):
        artifact.file("weights.bin")
    assert len(artifact.verify()) == 1


def test_the_checksum_of_an_unchanged_file_is_computed_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make(store)
    artifact.file("weights.bin")
    monkeypatch.setattr("spirl_cli.store.artifact.sha256_file", lambda path: pytest.fail("read again"))
    assert Artifact.open(artifact.path).file("weights.bin") == artifact.path / "weights.bin"


def test_a_missing_or_truncated_file_makes_an_artifact_incomplete(store: Store) -> None:
    missing, truncated, whole = (make(store, recipe=name) for name in ("a", "b", "c"))
    (missing.path / "weights.bin").unlink()
    (truncated.path / "weights.bin").write_bytes(b"wei")
    assert store.artifacts() == [whole]
    assert [entry.path for entry in store.broken()] == [missing.path, truncated.path]
    assert "3 bytes instead of 7" in store.broken("b")[0].problem
    with pytest.raises(ArtifactError, match="b/skills@v1 is incomplete"):
        store.resolve("b/skills@v1")
    assert "missing" in missing.verify()[0] and "3 bytes" in truncated.verify()[0]


def test_an_unknown_file_gets_a_suggestion(store: Store) -> None:
    with pytest.raises(ArtifactError, match=r"Did you mean 'weights.bin'\?"):
        make(store).file("weight.bin")


def edit(artifact: Artifact, **changes: object) -> None:
    content = json.loads((artifact.path / MANIFEST).read_text())
    content.update(changes)
    (artifact.path / MANIFEST).write_text(json.dumps({key: value for key, value in content.items() if value != "DROP"}))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": "DROP"}, "seed is missing"),
        ({"seed": "three"}, "seed has the wrong type"),
        ({"seed": True}, "seed has the wrong type"),
        ({"stage": "skillz"}, "stage 'skillz' is not known"),
        ({"colour": "red"}, "colour is not a known field"),
        ({"inputs": {"clips": {"reference": "a"}}}, "inputs.clips.fingerprint is missing"),
        ({"outputs": [3]}, r"outputs\[0\]. is not a mapping"),
        ({"metrics": {"kl": "low"}}, "could not convert"),
        ({"format_version": None}, "no format_version"),
    ],
)
def test_a_damaged_manifest_is_reported_with_the_place(store: Store, changes: dict[str, object], problem: str) -> None:
    artifact = make(store)
    edit(artifact, **changes)
    with pytest.raises(ArtifactError, match=problem) as caught:
        Artifact.open(artifact.path)
    assert str(artifact.path / MANIFEST) in caught.value.message
    assert store.artifacts() == [] and len(store.broken()) == 1


@pytest.mark.parametrize("length", [0, 1, 200])
def test_a_truncated_manifest_is_no_artifact(store: Store, length: int) -> None:
    artifact = make(store)
    with open(artifact.path / MANIFEST, "r+b") as stream:
        stream.truncate(length)
    assert store.find("skills", artifact.fingerprint) is None
    assert "is corrupt" in store.broken()[0].problem
    assert make(store).reference == "kitchen/skills@v2"  # the broken one's number is not reused


def test_a_manifest_of_a_newer_format_asks_for_an_update(store: Store) -> None:
    artifact = make(store)
    edit(artifact, format_version=FORMAT_VERSION + 1, unheard_of=1)
    with pytest.raises(ArtifactError, match="newer spirl") as caught:
        store.resolve("kitchen/skills@v1")
    assert "update" in caught.value.hint


def test_a_copied_folder_is_not_taken_for_what_its_name_says(store: Store) -> None:
    artifact = make(store)
    shutil.copytree(artifact.path, artifact.path.with_name(f"v002-{artifact.fingerprint}"))
    assert store.artifacts() == [artifact]
    assert "named unlike its manifest" in store.broken()[0].problem
