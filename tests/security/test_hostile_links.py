"""Links and pipes where a stranger's store has files: nothing is written, deleted or awaited through them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spirl_cli.errors import ArtifactError
from spirl_cli.files import discard, sweep
from spirl_cli.payload import SKILLS
from spirl_cli.store.locks import run_lock
from spirl_cli.store.names import MANIFEST
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.commands import RunCli
from tests.support.store_data import commit, identity, make

PARAMETERS = {"horizon": 10}
FINGERPRINT = identity(SKILLS, PARAMETERS, {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with the folder of a stage."""
    store = Store(tmp_path / "artifacts")
    store.run_folder("kitchen", SKILLS, FINGERPRINT).parent.mkdir(parents=True)
    return store


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file elsewhere that must stay as it is."""
    path = tmp_path / "private"
    path.write_text("precious")
    return path


def train(store: Store) -> None:
    """Make an artifact as a stage does."""
    with open_run(store, "kitchen", SKILLS, FINGERPRINT) as run:
        (run.folder / "weights.bin").write_bytes(b"weights")
        commit(run, PARAMETERS)


def test_the_note_of_who_holds_a_lock_replaces_a_link(store: Store, victim: Path) -> None:
    lock = run_lock(store.run_folder("kitchen", SKILLS, FINGERPRINT).parent, FINGERPRINT)
    lock.with_suffix(".holder.json").symlink_to(victim)
    train(store)
    assert victim.read_text() == "precious" and len(store.artifacts()) == 1


@pytest.mark.parametrize("name", [".stage.lock", f".run-{FINGERPRINT}.lock"])
def test_a_lock_that_is_a_link_is_not_followed(name: str, store: Store, victim: Path) -> None:
    (store.run_folder("kitchen", SKILLS, FINGERPRINT).parent / name).symlink_to(victim)
    with pytest.raises(ArtifactError, match="cannot write to the store"):
        train(store)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("whole", [True, False])
def test_an_unfinished_run_is_not_continued_through_a_link(
    whole: bool, store: Store, victim: Path, tmp_path: Path
) -> None:
    run, elsewhere = store.run_folder("kitchen", SKILLS, FINGERPRINT), tmp_path / "elsewhere"
    elsewhere.mkdir()
    if whole:
        run.symlink_to(elsewhere)
    else:
        run.mkdir()
        (run / "metrics.csv").symlink_to(victim)
    with pytest.raises(ArtifactError, match=r"is a link to .*: an unfinished run is not continued through it"):
        train(store)
    assert victim.read_text() == "precious" and not list(elsewhere.iterdir())


def test_what_links_lead_to_is_not_deleted(store: Store, victim: Path) -> None:
    stage = make(store).path.parent
    for name in (".trash-1-v009", ".trash-2-v010"):
        (stage / name).symlink_to(victim.parent)
    sweep(stage)
    (stage / "v011").symlink_to(victim.parent)
    discard(stage / "v011")
    assert victim.read_text() == "precious"
    assert not [path.name for path in stage.iterdir() if path.is_symlink()]


def test_pipes_and_devices_are_awaited_by_no_command(store: Store, run_cli: RunCli) -> None:
    for number, (name, device) in enumerate([("weights.bin", False), (MANIFEST, False), ("weights.bin", True)]):
        path = make(store, f"evil{number}").path / name
        path.unlink()
        os.symlink("/dev/zero", path) if device else os.mkfifo(path)
    good = make(store, "good")
    for command in ("list", "verify"):
        done = run_cli(command, timeout=30)
        assert good.reference in done.stdout and "evil" in done.stdout + done.stderr, done.stderr


def test_other_files_beside_a_payload_are_not_exported(store: Store, victim: Path, run_cli: RunCli) -> None:
    path = make(store).path
    (path / "extra.py").write_text("boom")
    (path / "link").symlink_to(victim)
    assert run_cli("export", "kitchen/skills", "--to", "copy").returncode == 0
    copied = {file.name for file in (victim.parent / "copy").rglob("*") if not file.name.startswith(".")}
    assert copied == {"kitchen", SKILLS, path.name, MANIFEST, "weights.bin"}
