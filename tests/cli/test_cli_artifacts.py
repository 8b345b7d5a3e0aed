"""Commands that show, compare, verify, copy and remove artifacts."""

from __future__ import annotations

import json
from pathlib import Path

from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.commands import MakeWorkspace, RunCli


def test_list_shows_artifacts_and_unfinished_runs(root: Path, run_cli: RunCli) -> None:
    with open_run(Store(root), "tiny", "agent", "d" * 12) as run:
        (run.folder / "checkpoint-1.safetensors").touch()
    text = run_cli("list").stdout
    assert [line.split()[0] for line in text.splitlines()] == [
        "ARTIFACT",
        "tiny/clips@v1",
        "tiny/skills@v1",
        "tiny/skills@v2",
        "tiny/agent",
    ]
    assert "resumable" in text.splitlines()[-1]
    found = json.loads(run_cli("list", "tiny", "--stage", "skills", "--json").stdout)
    assert [row["artifact"] for row in found["artifacts"]] == ["tiny/skills@v1", "tiny/skills@v2"]
    assert found["artifacts"][0]["metrics"] == {"loss": 0.5} and found["unfinished"] == []


def test_list_shows_and_filters_by_seed_and_what_was_changed(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills")
    work.spirl("train-prior", "swing.yaml")
    changed = ("--set", "train_prior.iterations=40", "--set", "train_prior.width=8", "--seed", "3")
    work.spirl("train-prior", "swing.yaml", *changed)
    header, *rows = work.spirl("list", "--stage", "prior").stdout.splitlines()
    assert header.split()[7:9] == ["SEED", "CHANGES"]
    assert "  0     -  " in rows[0] and "  3     train_prior.iterations=40  " in rows[1]  # the width is the recipe's
    found = json.loads(work.spirl("list", "--set", "train_prior.iterations=40", "--json").stdout)["artifacts"]
    assert [(one["artifact"], one["seed"], one["changes"]) for one in found] == [
        ("swing/prior@v2", 3, {"train_prior.iterations": "40"})
    ]
    seeded = json.loads(work.spirl("list", "--seed", "3", "--json").stdout)["artifacts"]
    assert [one["artifact"] for one in seeded] == ["swing/prior@v2"]
    assert "Did you mean 'train_prior.width'" in work.spirl("list", "--set", "train_prior.widht=8", code=2).stderr
    assert "KEY=VALUE" in work.spirl("list", "--set", "train_prior.width", code=2).stderr


def test_list_of_nothing_prints_nothing_on_stdout(run_cli: RunCli) -> None:
    done = run_cli("list")
    assert (done.returncode, done.stdout) == (0, "") and "no artifacts" in done.stderr
    assert json.loads(run_cli("list", "--json").stdout) == {"artifacts": [], "unfinished": [], "broken": []}


def test_the_artifacts_folder_is_an_option_or_a_variable(root: Path, tmp_path: Path, run_cli: RunCli) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert "tiny/clips@v1" in run_cli("list", "--artifacts", root, cwd=other).stdout
    assert "tiny/clips@v1" in run_cli("list", cwd=other, SPIRL_ARTIFACTS=root).stdout


def test_show_prints_the_manifest(root: Path, run_cli: RunCli) -> None:
    shown = json.loads(run_cli("show", "tiny/skills", "--json").stdout)
    assert shown["artifact"] == "tiny/skills@v2" and shown["parameters"] == {"beta": 0.2}
    text = run_cli("show", next((root / "tiny" / "skills").glob("v001-*"))).stdout
    assert "tiny/skills@v1" in text and "beta: 0.1" in text and "tiny/clips@v1" in text


def test_diff_names_what_differs(root: Path, run_cli: RunCli) -> None:
    assert run_cli("diff", "tiny/skills@v1", "tiny/skills@v2").stdout == "beta: 0.1 → 0.2\n"
    rows = json.loads(run_cli("diff", "tiny/skills@v1", "tiny/skills@v2", "--json").stdout)
    assert rows == [{"path": "beta", "left": 0.1, "right": 0.2}]
    assert run_cli("diff", "tiny/skills@v1", "tiny/clips").returncode == 2


def test_lineage_goes_back_to_the_beginning(root: Path, run_cli: RunCli) -> None:
    assert "└─ clips: tiny/clips@v1" in run_cli("lineage", "tiny/skills").stdout
    tree = json.loads(run_cli("lineage", "tiny/skills", "--json").stdout)
    assert tree["inputs"][0]["reference"] == "tiny/clips@v1"


def test_verify_checks_all_and_exits_with_3_on_damage(root: Path, run_cli: RunCli) -> None:
    assert run_cli("verify").returncode == 0
    next((root / "tiny" / "skills").glob("v002-*/data.bin")).write_bytes(b"damaged")
    done = run_cli("verify")
    assert done.returncode == 3 and "tiny/skills@v1: ok" in done.stdout
    assert "data.bin" in done.stdout.splitlines()[2]
    assert run_cli("verify", "tiny/skills@v1").returncode == 0


def test_export_copies_what_an_artifact_was_made_from_but_no_data(root: Path, tmp_path: Path, run_cli: RunCli) -> None:
    other = tmp_path / "other"
    done = run_cli("export", "tiny/skills@v2", "--to", other, "--json")
    assert [Path(path).parent.name for path in json.loads(done.stdout)["exported"]] == ["skills"]
    assert Store(other).resolve("tiny/skills@v2").sha256 == Store(root).resolve("tiny/skills@v2").sha256
    assert run_cli("export", "tiny/prior", "--to", other).returncode == 3


def test_remove_previews_asks_and_protects(root: Path, run_cli: RunCli) -> None:
    asked = run_cli("remove", "tiny/skills@v1")
    assert asked.returncode == 2 and "--yes" in asked.stderr and "tiny/skills@v1" in asked.stderr
    refused = run_cli("remove", "tiny/clips", "--yes")
    assert refused.returncode == 2 and "tiny/skills@v1, tiny/skills@v2" in refused.stderr
    assert len(Store(root).artifacts()) == 3
    done = run_cli("remove", "tiny/clips", "tiny/skills@v1", "tiny/skills@v2", "--yes", "--json")
    assert len(json.loads(done.stdout)["removed"]) == 3 and Store(root).artifacts() == []


def test_remove_takes_unfinished_runs(root: Path, run_cli: RunCli) -> None:
    with open_run(Store(root), "tiny", "agent", "d" * 12) as run:
        folder = run.folder
        (folder / "metrics.csv").write_text("step\n")
    assert folder.name in run_cli("remove", folder, "--yes").stdout
    assert not folder.exists()
