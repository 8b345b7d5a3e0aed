"""A manifest that a stranger wrote: one broken artifact in a list of good ones, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spirl_cli.errors import ArtifactError
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.export import export
from spirl_cli.store.manifest_file import MAX_BYTES
from spirl_cli.store.names import MANIFEST
from spirl_cli.store.store import Store
from tests.support.commands import MakeWorkspace, RunCli, Workspace
from tests.support.hostile_data import DEEP, Change, all_files, make_hostile, output, put, rewrite
from tests.support.store_data import make

HUGE = 10**400
SELF = {"reference": "evil/skills@v1", "fingerprint": "0" * 12, "sha256": "0" * 64}
ODD: dict[str, Change] = {
    "a file above the artifact": put("../../../../planted", "outputs", 0, "file"),
    "an absolute file": put("/tmp/planted", "outputs", 0, "file"),
    "a file with a backslash": put("a\\..\\..\\b", "outputs", 0, "file"),
    "a file through a folder and back": put("a/../weights.bin", "outputs", 0, "file"),
    "a file that is no plain path": put("./weights.bin", "outputs", 0, "file"),
    "the manifest as a file": put(MANIFEST, "outputs", 0, "file"),
    "an empty file name": put("", "outputs", 0, "file"),
    "a file with a control character": put("a\x1b[2Jb", "outputs", 0, "file"),
    "a file with a zero byte": put("a\0b", "outputs", 0, "file"),
    "a file with a lone surrogate": put("a\udc80b", "outputs", 0, "file"),
    "a file name without end": put("a/" * 40_000 + "b", "outputs", 0, "file"),
    "negative bytes": put(-1, "outputs", 0, "bytes"),
    "a recipe above the store": put("../../planted", "recipe"),
    "a recipe with control characters": put("evil\x1b]0;owned\x07", "recipe"),
    "a recipe with a new line": put("evil\nkitchen", "recipe"),
    "a hidden recipe": put(".hidden", "recipe"),
    "the recipe of the repository's artifacts": put("reference", "recipe"),
    "a fingerprint above the store": put("../../planted", "fingerprint"),
    "a fingerprint of another length": put("0" * 13, "fingerprint"),
    "a version of 400 digits": put(HUGE, "version"),
    "a version below one": put(-3, "version"),
    "an input that is the artifact itself": put(SELF, "inputs", "skills"),
    "an input of a later stage": put({**SELF, "reference": "evil/agent@v1"}, "inputs", "agent"),
    "an input with control characters": put({**SELF, "reference": "hdf5:\x1b[2J"}, "inputs", "dataset"),
    "an input's checksum that is none": put("../x", "inputs", "clips", "sha256"),
    "a hundred inputs": put({str(n): {**SELF, "reference": "x"} for n in range(100)}, "inputs"),
    "a seed of 400 digits": put(HUGE, "seed"),
    "seconds of 400 digits": put(HUGE, "seconds"),
    "a metric of 400 digits": put(HUGE, "metrics", "loss"),
    "a metric that is a list": put([1], "metrics", "loss"),
    "a parameter of 400 digits": put(HUGE, "parameters", "horizon"),
    "deep parameters": put(DEEP, "parameters", "horizon"),
    "deep extras": put(DEEP, "extra", "recipe"),
    "packages that are no text": put({"torch": [1]}, "packages"),
    "a command that is no text": put([3], "command"),
    "a stage that is a list": put(["skills"], "stage"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_manifest_is_one_broken_artifact_among_good_ones(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "artifacts")
    good = make(store, "good")
    folder = make_hostile(store.root, ODD[name])
    assert good in store.artifacts() and [entry.path for entry in store.broken()] == [folder]
    assert len(store.broken()[0].problem) < 1000 and store.broken()[0].problem.isprintable()
    with pytest.raises(ArtifactError, match="is corrupt"):
        export(Artifact.open(folder), Store(tmp_path / "other"))
    assert {path.name for path in tmp_path.iterdir()} == {"artifacts"}


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b"\xff\xfe", b'{"seed": NaN}', b" " * (MAX_BYTES + 1), b"1e999"],
    ids=["lists", "mappings", "digits", "bytes", "NaN", "size", "infinity"],
)
def test_what_is_hardly_json_is_a_broken_artifact(data: bytes, tmp_path: Path) -> None:
    store = Store(tmp_path)
    artifact = make(store)
    (artifact.path / MANIFEST).write_bytes(data)
    assert store.artifacts() == [] and "is corrupt" in store.broken()[0].problem


def test_export_writes_below_its_target_only(tmp_path: Path) -> None:
    """With the right size and checksum, so that nothing but the name can be why it is refused."""
    secret = tmp_path / "secret"
    secret.write_text("private")
    record = output(secret, "../../../../../secret")
    folder = make_hostile(tmp_path / "artifacts", put([record], "outputs"))
    with pytest.raises(ArtifactError, match="leads out of the artifact"):
        export(Artifact.open(folder), Store(tmp_path / "to"))
    assert not (tmp_path / "to").exists()


@pytest.fixture
def store_with_odd_ones(swing: Workspace, workspace: MakeWorkspace) -> Workspace:
    """The artifacts of a whole pipeline, and beside them every odd one."""
    work = workspace("clips", "skills", "prior", "agent", "evaluation")
    for number, change in enumerate(ODD.values()):
        make_hostile(work.folder / "artifacts", change, recipe=f"evil{number}")
    return work


def test_commands_go_on_beside_odd_artifacts(store_with_odd_ones: Workspace) -> None:
    work = store_with_odd_ones
    before = all_files(work.folder)
    listed = json.loads(work.spirl("list", "--json").stdout)
    assert len(listed["broken"]) == len(ODD) and "swing/agent@v1" in [one["artifact"] for one in listed["artifacts"]]
    assert "swing/agent" in work.spirl("list").stdout
    assert "up to date" in work.spirl("run", "swing.yaml", "--dry-run").stdout
    assert "clips" in work.spirl("lineage", "swing/agent").stdout
    work.spirl("show", "swing/agent")
    broken = listed["broken"][0]["path"]
    for command in ("show", "lineage", "verify"):
        assert "is corrupt" in work.spirl(command, broken, code=3).stderr
    verified = work.spirl("verify", code=3)
    assert "swing/agent@v1: ok" in verified.stdout and verified.stdout.count("is corrupt") == len(ODD)
    assert f"{len(ODD)} of" in verified.stderr
    assert all_files(work.folder) == before


def test_a_changed_parameter_does_not_fit_the_fingerprint(tmp_path: Path) -> None:
    artifact = make(Store(tmp_path))
    rewrite(artifact, put(11, "parameters", "horizon"))
    assert "does not have the fingerprint" in Artifact.open(artifact.path).verify()[0]


def test_what_is_printed_cannot_drive_a_terminal(tmp_path: Path, run_cli: RunCli) -> None:
    artifact = make(Store(tmp_path / "artifacts"), "good", metrics={"loss": 0.5})
    bad = "\x1b[2J\x9b1m\u202e\udc80\n"

    def change(content: dict[str, object]) -> None:
        content |= {"profile": bad, "command": ["spirl", bad], "commit": bad, "packages": {bad: bad}}
        content |= {"metrics": {bad: 1.0}, "parameters": {bad: bad}, "finished": bad, "started": bad}
        content |= {"machine": {"processor": bad, "cores": 1}, "extra": {"recipe": {"method": bad}}}

    rewrite(artifact, change)
    for command in (["list"], ["show", "good/skills"], ["verify"], ["lineage", "good/skills"]):
        done = run_cli(*command)
        assert done.returncode in (0, 3)
        assert not set("\x1b\x9b\u202e") & set(done.stdout + done.stderr)
    assert "\\u001b[2J" in run_cli("list").stdout and len(run_cli("list").stdout.splitlines()) == 2
    shown = json.loads(run_cli("show", "good/skills", "--json").stdout)
    assert shown["profile"] == bad
