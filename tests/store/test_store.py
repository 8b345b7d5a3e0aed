"""The store: artifacts exist whole or not at all, are found again, and say what is wrong with them."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spirl_cli import files
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.store import provenance, writer
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.diff import ABSENT, Difference, diff, differences
from spirl_cli.store.export import LEFT_OUT, export
from spirl_cli.store.fingerprint import canonical, fingerprint, sha256_file
from spirl_cli.store.manifest import FORMAT_VERSION, InputRecord, parse_manifest
from spirl_cli.store.names import MANIFEST
from spirl_cli.store.references import known_references
from spirl_cli.store.store import Store, default_root, reference_store
from spirl_cli.store.writer import Run, open_run

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts")


def identity(stage: str, parameters: Mapping[str, Any], inputs: Mapping[str, InputRecord]) -> str:
    return fingerprint(stage, 1, parameters, {name: record.fingerprint for name, record in inputs.items()})


def commit(run: Run, parameters: Mapping[str, Any], keep: Sequence[str] = ("weights.bin",), **fields: Any) -> Artifact:
    fields = {"stage_version": 1, "inputs": {}, "seed": 0, **fields}
    return run.commit(parameters=parameters, keep=keep, **fields)


def make(
    store: Store,
    recipe: str = "kitchen",
    stage: str = "skills",
    parameters: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Artifact] | None = None,
    content: bytes = b"weights",
    **fields: Any,
) -> Artifact:
    """Make a small artifact the way a stage does."""
    parameters = {"horizon": 10} if parameters is None else parameters
    records = {name: artifact.as_input() for name, artifact in (inputs or {}).items()}
    with open_run(store, recipe, stage, identity(stage, parameters, records)) as run:
        (run.folder / "weights.bin").write_bytes(content)
        (run.folder / "checkpoint-1.safetensors").write_bytes(b"not kept")
        return commit(run, parameters, inputs=records, **fields)


def names_in(folder: Path) -> list[str]:
    """What a user sees in a folder: names without a leading dot."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start another process that uses the store."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


# fingerprints


def test_fingerprint_depends_on_everything_that_determines_the_content() -> None:
    base = fingerprint("skills", 1, {"horizon": 10}, {"clips": "a" * 12})
    others = [
        fingerprint("prior", 1, {"horizon": 10}, {"clips": "a" * 12}),
        fingerprint("skills", 2, {"horizon": 10}, {"clips": "a" * 12}),
        fingerprint("skills", 1, {"horizon": 5}, {"clips": "a" * 12}),
        fingerprint("skills", 1, {"horizon": 10}, {"clips": "b" * 12}),
        fingerprint("skills", 1, {"horizon": True}, {"clips": "a" * 12}),
    ]
    assert len({base, *others}) == 6
    assert len(base) == 12 and int(base, 16) >= 0


def test_fingerprint_ignores_order_and_the_spelling_of_numbers() -> None:
    first = fingerprint("skills", 1, {"beta": 1, "nested": {"a": 0.0, "b": (1, 2)}}, {})
    second = fingerprint("skills", 1, {"nested": {"b": [1.0, 2], "a": -0.0}, "beta": 1.0}, {})
    assert first == second


def test_fingerprint_never_changes_between_releases() -> None:
    parameters = {"beta": 5e-4, "model": "closed-loop", "schedule": None, "bounds": [-1.0, math.inf]}
    assert fingerprint("skills", 1, parameters, {"clips": "0" * 12}) == "03f008303d53"


def test_an_option_that_is_off_leaves_the_fingerprint_alone() -> None:
    before = {"train_prior": {"width": 128}}
    off = {"train_prior": {"width": 128, "image": None}}
    on = {"train_prior": {"width": 128, "image": {"size": 32}}}
    assert fingerprint("prior", 1, before, {}) == fingerprint("prior", 1, off, {})
    assert fingerprint("prior", 1, on, {}) != fingerprint("prior", 1, off, {})
    assert differences(before, off) == []
    assert [str(difference) for difference in differences(off, on)] == ["train_prior.image.size: absent → 32"]


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="Path"):
        canonical({"dataset": Path("x")})


def test_checksum_of_a_file_longer_than_one_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * (1 << 20) + b"b")
    expected = (
        subprocess.run(["sha256sum", path], capture_output=True, text=True) if shutil.which("sha256sum") else None
    )
    assert expected is None or expected.stdout.split()[0] == sha256_file(path)


# what an artifact is made of


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


# interrupted and concurrent writers


@pytest.mark.parametrize("call", range(1, 4))
def test_a_commit_cut_short_at_any_rename_can_be_repeated(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """The renames of a commit: the manifest into place, the artifact into being, the run folder away."""
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
    appeared = call == 3
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
    process = run_python(KILLED, store.root, step)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(store.artifacts()) == appeared and store.broken() == []
    [left] = store.runs()
    assert not left.locked and left.fingerprint == "0" * 12
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
    process = run_python(HOLDING, store.root)
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
    processes = [run_python(MANY, store.root, number) for number in range(3)]
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


# finding


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
    with pytest.raises(ArtifactError, match="not an artifact") as caught:
        store.resolve(str(artifact.path.parent))
    assert artifact.path.name in caught.value.hint


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


# kinship and removal


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
    found = diff(first, replace(second, manifest=drifted))
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
    process = run_python(code + f"print([name for name in {heavy} if name in sys.modules])")
    assert process.communicate(timeout=60)[0] == "[]\n"


# --- copies for others -------------------------------------------------------------------------


def test_an_unchanged_copy_is_the_same_artifact(store: Store, tmp_path: Path) -> None:
    artifact, other = make(store), Store(tmp_path / "other")
    copy = export(artifact, other)
    assert (copy.sha256, copy.verify()) == (artifact.sha256, []) and other.resolve("kitchen/skills") == copy
    assert export(artifact, other) == copy and names_in(copy.path.parent) == [copy.path.name]


def test_a_copy_may_lack_files_and_says_so(store: Store, tmp_path: Path) -> None:
    make(Store(tmp_path / "other"), parameters={"horizon": 3})  # takes the first version
    with open_run(store, "kitchen", "skills", "a" * 12) as run:
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
