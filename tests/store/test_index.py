"""Large stores: what is remembered of manifests never hides what is in their folders now."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.many_artifacts import fill_store
from spirl_cli.files import cache_folder
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.diff import differences
from spirl_cli.store.head import head_of
from spirl_cli.store.index import FEW
from spirl_cli.store.leaves import differing, leaves
from spirl_cli.store.names import MANIFEST
from spirl_cli.store.store import Store

PIPELINES = FEW // 5 + 1
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, -0.0, 0.5, "", "a"]),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "a.b"]), below, max_size=3),
    max_leaves=6,
)
PARAMETERS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    fill_store(root, PIPELINES)
    return root


@pytest.fixture
def large(filled: Path, tmp_path: Path) -> Store:
    """Return a store that was listed once, so that there is an index of it."""
    store = Store(shutil.copytree(filled, tmp_path / "artifacts"))
    assert len(store.artifacts()) == 5 * PIPELINES
    assert index_file().is_file()
    return store


def index_file() -> Path:
    folder = cache_folder()
    assert folder is not None
    (found,) = (folder / "index").iterdir()
    return found


def refuse_to_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(data: bytes, where: str) -> None:
        raise AssertionError(f"{where} was decoded")

    monkeypatch.setattr("spirl_cli.store.artifact.parse_manifest", refused)


def test_what_was_decoded_once_is_not_decoded_again(large: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_decode(monkeypatch)
    assert len(large.artifacts()) == 5 * PIPELINES
    index_file().unlink()
    with pytest.raises(AssertionError, match="was decoded"):
        large.artifacts()


def test_the_index_says_what_the_manifests_say(large: Store) -> None:
    for artifact in large.artifacts():
        assert artifact.head == head_of(artifact.manifest)
        assert artifact.head == Artifact.open(artifact.path).head


def test_a_small_store_has_no_index(tmp_path: Path) -> None:
    fill_store(tmp_path / "artifacts", 1)
    assert len(Store(tmp_path / "artifacts").artifacts()) == 5
    assert not list((cache_folder() or tmp_path / "none").glob("index/*"))


def test_a_manifest_that_was_edited_is_read_anew_whatever_its_time_and_size(large: Store) -> None:
    artifact = large.resolve("maze/evaluation@v3")
    path = artifact.path / MANIFEST
    before = path.stat()
    path.write_bytes(artifact.data.replace(b'"sampled/success": 0.93', b'"sampled/success": 0.39'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    (found,) = (one for one in large.artifacts() if one == artifact)
    assert found.head.metrics["sampled/success"] == found.manifest.metrics["sampled/success"] == 0.39


def test_checks_stay(large: Store) -> None:
    unsound, short, moved, gone = (large.resolve(f"maze/skills@v{number}") for number in (1, 2, 3, 4))
    (unsound.path / MANIFEST).write_bytes(unsound.data.replace(b'"version": 1', b'"version": -1'))
    (short.path / short.head.files[0][0]).write_bytes(b"")
    moved.path.rename(moved.path.with_name(f"v900-{moved.fingerprint}"))
    shutil.rmtree(gone.path)
    contents = large.look()
    assert len(contents.artifacts) == 5 * PIPELINES - 4
    problems = " ".join(entry.problem for entry in contents.broken)
    assert len(contents.broken) == 3
    assert "out of range" in problems and "instead of" in problems and "named unlike its manifest" in problems


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"maze", b"haze"),
        lambda data: b"[" * 100_000,
    ],
)
def test_a_damaged_index_is_as_good_as_none(large: Store, damage: Callable[[bytes], bytes]) -> None:
    before = [asdict(artifact.manifest) for artifact in large.artifacts()]
    index_file().write_bytes(damage(index_file().read_bytes()))
    assert [asdict(artifact.manifest) for artifact in large.artifacts()] == before
    assert {artifact.head.recipe for artifact in large.artifacts()} == {"maze"}


def test_a_cache_that_cannot_be_written_is_no_error(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(Store(filled).artifacts()) == 5 * PIPELINES


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PARAMETERS, PARAMETERS)
def test_leaves_differ_where_parameters_differ(left: dict[str, object], right: dict[str, object]) -> None:
    assert differing(leaves(left), leaves(right)) == {found.path for found in differences(left, right)}
