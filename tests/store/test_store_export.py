"""Copies of artifacts in another store."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.errors import ArtifactError
from spirl_cli.store.export import LEFT_OUT, export
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.store_data import commit, identity, make, names_in


def test_an_unchanged_copy_is_the_same_artifact(store: Store, tmp_path: Path) -> None:
    artifact, other = make(store), Store(tmp_path / "other")
    copy = export(artifact, other)
    assert (copy.sha256, copy.verify()) == (artifact.sha256, []) and other.resolve("kitchen/skills") == copy
    assert export(artifact, other) == copy and names_in(copy.path.parent) == [copy.path.name]


def test_a_copy_may_lack_files_and_says_so(store: Store, tmp_path: Path) -> None:
    make(Store(tmp_path / "other"), parameters={"horizon": 3})  # takes the first version
    with open_run(store, "kitchen", "skills", identity("skills", {}, {})) as run:
        for name in ("weights.bin", "replay-0.h5"):
            (run.folder / name).write_bytes(b"content")
        artifact = commit(run, {}, keep=("weights.bin", "replay-0.h5"))
    copy = export(artifact, Store(tmp_path / "other"), without=("replay-*",))
    assert names_in(copy.path) == ["manifest.json", "weights.bin"] and copy.verify() == []
    assert copy.reference == "kitchen/skills@v2" and copy.manifest.extra[LEFT_OUT] == ["replay-0.h5"]
    assert copy.fingerprint == artifact.fingerprint and artifact.verify() == []


def test_a_damaged_artifact_is_not_copied(store: Store, tmp_path: Path) -> None:
    artifact = make(store)
    (artifact.path / "weights.bin").write_bytes(b"weightz")
    with pytest.raises(ArtifactError, match="corrupt"):
        export(artifact, Store(tmp_path / "other"))
    assert Store(tmp_path / "other").artifacts() == []
