"""Writers: artifacts exist whole or not at all, whoever is killed or writes at the same time."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from spirl_cli import files
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.store import writer
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.store_data import commit, identity, make, names_in, start_python


@pytest.mark.parametrize("call", range(1, 5))
def test_a_commit_cut_short_at_any_rename_can_be_repeated(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """The renames of a commit: the manifest and its seal into place, the artifact into being, the run folder away."""
    calls = 0
    real = os.replace

    def interrupted(source: Path, destination: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        real(source, destination)

    parameters = {"horizon": 10}
    mark = identity("skills", parameters, {})
    with pytest.raises(KeyboardInterrupt), open_run(store, "kitchen", "skills", mark) as run:
        (run.folder / "weights.bin").write_bytes(b"weights")
        monkeypatch.setattr(files.os, "replace", interrupted)
        monkeypatch.setattr(writer, "discard", lambda path: files.discard(path) if path.exists() else None)
        commit(run, parameters)
    monkeypatch.undo()
    appeared = call == 4
    assert len(store.artifacts()) == appeared and store.broken() == []
    with open_run(store, "kitchen", "skills", mark) as run:
        assert (run.existing is not None) == appeared
        if not appeared:
            assert (run.folder / "weights.bin").read_bytes() == b"weights"
            commit(run, parameters)
    assert names_in(store.root / "kitchen" / "skills") == [f"v001-{mark}"]
    assert store.artifacts()[0].verify() == []


KILLED = """
import os, signal, sys
from pathlib import Path
from spirl_cli.store import writer
from spirl_cli.store.store import Store
step = sys.argv[2]
def die(*arguments): os.kill(os.getpid(), signal.SIGKILL)
if step == "run": pass
elif step == "staging": writer._next_version = die
elif step == "rename": writer.publish_folder = die
elif step == "clean": writer.Artifact.open = die
with writer.open_run(Store(Path(sys.argv[1])), "kitchen", "skills", "0" * 12) as run:
    (run.folder / "weights.bin").write_bytes(b"weights")
    if step == "run": die()
    if step == "clean": writer.discard = lambda path: die() if path.name.startswith("run-") else None
    run.commit(stage_version=1, parameters={}, inputs={}, seed=0, keep=["weights.bin"])
"""


@pytest.mark.parametrize(("step", "appeared"), [("run", 0), ("staging", 0), ("rename", 0), ("clean", 1)])
def test_a_killed_process_leaves_nothing_half_and_frees_its_lock(store: Store, step: str, appeared: int) -> None:
    process = start_python(KILLED, store.root, step)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(store.artifacts()) == appeared and store.broken() == []
    left = [(run.fingerprint, run.locked) for run in store.runs()]
    assert left == ([] if appeared else [("0" * 12, False)])  # a run that has become an artifact is none any more
    with open_run(store, "kitchen", "skills", "0" * 12, wait=False) as run:
        if run.existing is None:
            assert (run.folder / "weights.bin").read_bytes() == b"weights"
            commit(run, {})
    assert names_in(store.root / "kitchen" / "skills") == ["v001-" + "0" * 12]
    assert not list(store.root.rglob(".staging-*")) and not list(store.root.rglob(".trash-*"))


def test_an_interrupted_deletion_is_finished_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make(store)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # killed before anything was deleted
    store.remove(artifact)
    monkeypatch.undo()
    assert store.artifacts() == [] and store.broken() == [] and list(store.root.rglob("weights.bin"))
    make(store, parameters={"horizon": 5})
    assert len(list(store.root.rglob("weights.bin"))) == 1


@pytest.mark.parametrize("step", ["staging", "rename", "clean"])
def test_the_next_command_of_the_stage_sweeps_what_another_left(store: Store, step: str) -> None:
    process = start_python(KILLED, store.root, step)
    process.communicate(timeout=60)
    folder = store.root / "kitchen" / "skills"
    with open_run(store, "kitchen", "skills", "1" * 12) as run:
        (run.folder / "weights.bin").write_bytes(b"others")
        commit(run, {})
    left = {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}
    unfinished = {"run-" + "0" * 12, "v001-" + "1" * 12}
    assert left == ({"v001-" + "0" * 12, "v002-" + "1" * 12} if step == "clean" else unfinished)


HOLDING = """
import sys
from pathlib import Path
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
with open_run(Store(Path(sys.argv[1])), "kitchen", "skills", "0" * 12) as run:
    (run.folder / "weights.bin").write_bytes(b"weights")
    print("holding", flush=True)
    sys.stdin.readline()
    run.commit(stage_version=1, parameters={}, inputs={}, seed=0, keep=["weights.bin"])
"""


def test_a_second_writer_is_told_who_holds_the_run_and_then_finds_its_artifact(store: Store) -> None:
    process = start_python(HOLDING, store.root)
    assert process.stdin and process.stdout and process.stdout.readline() == "holding\n"
    run = store.run("kitchen", "skills", "0" * 12)
    assert run is not None and run.locked and run.holder is not None and run.holder.process == process.pid
    with pytest.raises(ArtifactError, match=f"process {process.pid}") as caught:
        store.remove_run(run)
    assert caught.value.exit_code == 3
    with (
        pytest.raises(ArtifactError, match=f"kitchen/skills is being written by process {process.pid} on "),
        open_run(store, "kitchen", "skills", "0" * 12, wait=False),
    ):
        pass
    said: list[str] = []

    def let_go(sentence: str) -> None:
        said.append(sentence)
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()

    with open_run(store, "kitchen", "skills", "0" * 12, on_wait=let_go) as second:
        assert second.existing == store.resolve("kitchen/skills@v1")
    assert len(said) == 1 and str(process.pid) in said[0] and "waiting" in said[0]
    process.communicate(timeout=60)
    assert store.runs() == [] and len(store.artifacts()) == 1


MANY = """
import sys
from pathlib import Path
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
for number in range(5):
    mark = f"{int(sys.argv[2]):06d}{number:06d}"
    with open_run(Store(Path(sys.argv[1])), "kitchen", "skills", mark) as run:
        (run.folder / "weights.bin").write_bytes(mark.encode())
        run.commit(stage_version=1, parameters={}, inputs={}, seed=0, keep=["weights.bin"])
"""


def test_writers_of_different_artifacts_get_different_versions(store: Store) -> None:
    processes = [start_python(MANY, store.root, number) for number in range(3)]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    artifacts = store.artifacts()
    assert [item.manifest.version for item in artifacts] == list(range(1, 16))
    assert all(item.file("weights.bin").read_text() == item.fingerprint for item in artifacts)


def test_a_run_folder_is_kept_for_the_next_session_and_can_be_emptied(store: Store) -> None:
    with pytest.raises(RuntimeError), open_run(store, "kitchen", "skills", "0" * 12) as run:
        (run.folder / "checkpoint-3.safetensors").write_bytes(b"state")
        raise RuntimeError("training broke")
    [left] = store.runs()
    assert (left.has_checkpoint, left.locked, left.holder) == (True, False, None)
    with open_run(store, "kitchen", "skills", "0" * 12) as run:
        assert (run.folder / "checkpoint-3.safetensors").exists()
        artifact = commit(run, {}, keep=["checkpoint-3.safetensors"])
    assert artifact.manifest.started == left.started  # of the first session
    with open_run(store, "kitchen", "skills", "1" * 12) as run:
        (run.folder / "old").write_bytes(b"")
        assert names_in(run.fresh()) == ["run.json"]
        (run.folder / "new").write_bytes(b"")
    store.remove_run(store.runs()[0])
    assert store.runs() == []


def test_a_run_that_wrote_nothing_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), open_run(store, "kitchen", "skills", "0" * 12) as run:
        assert run.folder.is_dir()
        raise RuntimeError("refused before anything was written")
    assert store.runs() == []


def test_a_run_that_finds_an_artifact_leaves_no_trace(store: Store) -> None:
    artifact = make(store)
    with open_run(store, "kitchen", "skills", artifact.fingerprint) as run:
        assert run.existing == artifact
    assert store.runs() == [] and names_in(artifact.path.parent) == [artifact.path.name]


def test_the_same_fingerprint_can_be_made_again_and_the_newest_is_found(store: Store) -> None:
    first, second = make(store), make(store)
    assert (first.reference, second.reference) == ("kitchen/skills@v1", "kitchen/skills@v2")
    assert store.find("skills", first.fingerprint) == second


@pytest.mark.parametrize("recipe", ["../up", "a/b", "a@v1", ".hidden", "", "reference", "a:b"])
def test_a_recipe_id_that_cannot_name_a_folder_is_refused(store: Store, recipe: str) -> None:
    with pytest.raises(UsageError), open_run(store, recipe, "skills", "0" * 12):
        pass
    assert not store.root.exists()


def test_a_misspelt_stage_gets_a_suggestion(store: Store) -> None:
    with pytest.raises(UsageError, match="Did you mean 'skills'"), open_run(store, "kitchen", "skill", "0" * 12):
        pass


def test_a_store_that_cannot_be_written_to_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ArtifactError, match="cannot write to the store"),
        open_run(Store(tmp_path / "file"), "kitchen", "skills", "0" * 12),
    ):
        pass


@pytest.mark.parametrize("step", ["staging", "clean"])
def test_what_a_killed_commit_left_goes_when_the_artifact_is_up_to_date(store: Store, step: str) -> None:
    process = start_python(KILLED, store.root, step)
    process.communicate(timeout=60)
    folder = store.root / "kitchen" / "skills"
    (folder / ".trash-7-run-0").mkdir()
    writer.tidy(folder)
    left = {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}
    unfinished = "run-" + "0" * 12
    assert left == ({"v001-" + "0" * 12} if step == "clean" else {unfinished})
