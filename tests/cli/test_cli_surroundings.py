"""Where commands run: without a home, beside a store that is read only, on an old terminal, in a deleted folder."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spirl_cli.demos.formats.minari import datasets_folder, require_datasets_folder
from spirl_cli.demos.identity import identity_of
from spirl_cli.demos.source import MinariFolder
from spirl_cli.errors import ArtifactError, DatasetError
from spirl_cli.files import cache_folder, expanded
from spirl_cli.payload import STAGE_NAMES
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.commands import MakeWorkspace, RunCli, Workspace, cli_environment
from tests.support.datasets import SyntheticMinari
from tests.support.store_data import make

READS_ALL = "-all,+dac_read_search"  # as if the interpreter were installed for everyone
STRANGER = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
STRANGER += [f"--inh-caps={READS_ALL}", f"--ambient-caps={READS_ALL}"]
as_stranger = pytest.mark.skipif(
    not shutil.which("setpriv") or os.geteuid() != 0, reason="another user needs root and setpriv"
)


def run_as_stranger(*arguments: str | Path, cwd: Path, **variables: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``spirl`` as a user whom the system does not know, without a home."""
    environment = cli_environment(PYTHONDONTWRITEBYTECODE="1", **variables)
    environment = {name: value for name, value in environment.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    command = [*STRANGER, sys.executable, "-m", "spirl_cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process one of a user without a home, whom the system does not know."""

    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(number)

    for name in ("HOME", "XDG_CACHE_HOME", "MINARI_DATASETS_PATH"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_without_a_home_there_is_no_cache_and_no_download(no_home: None) -> None:
    assert cache_folder() is None and expanded("~/x") == Path("~/x") and not datasets_folder().exists()
    with pytest.raises(DatasetError, match="no home folder") as caught:
        require_datasets_folder()
    assert "MINARI_DATASETS_PATH" in caught.value.hint


def test_without_a_home_a_dataset_is_read(
    no_home: None, minari_folder: SyntheticMinari, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(minari_folder.path))
    assert identity_of(MinariFolder(minari_folder.pendulum)).episodes == 8
    assert not Path("~").exists()


@as_stranger
def test_a_user_without_a_home_extracts(minari_folder: SyntheticMinari, swing: Workspace, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    recipe = shutil.copy(swing.folder / "swing.yaml", tmp_path)
    place = {"MINARI_DATASETS_PATH": minari_folder.path}
    assert run_as_stranger("extract", recipe, "--dry-run", cwd=tmp_path, **place).returncode == 0
    done = run_as_stranger("extract", recipe, cwd=tmp_path, **place)
    assert done.returncode == 0 and done.stdout.startswith("artifacts/swing/clips/v001-"), done.stderr
    missing = run_as_stranger("extract", recipe, "--artifacts", "empty", cwd=tmp_path, MINARI_DATASETS_PATH="")
    assert missing.returncode == 3 and "unexpected" not in missing.stderr


@as_stranger
def test_a_store_that_is_read_only_can_be_read(minari_folder: SyntheticMinari, workspace: MakeWorkspace) -> None:
    work = workspace(*STAGE_NAMES)
    for path in (work.folder, *work.folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    place = {"MINARI_DATASETS_PATH": minari_folder.path}
    listed = run_as_stranger("list", "--json", cwd=work.folder)
    assert len(json.loads(listed.stdout)["artifacts"]) == 5
    assert run_as_stranger("run", "swing.yaml", cwd=work.folder, **place).returncode == 0
    changed = ("--set", "train_skills.latent_dim=3")
    for arguments in (("train-skills", "swing.yaml", *changed), ("remove", "--yes", "--force", "swing/clips")):
        refused = run_as_stranger(*arguments, cwd=work.folder, **place)
        assert refused.returncode == 3, refused.stderr
        assert "cannot write to the store artifacts: Permission denied" in refused.stderr


def test_a_folder_that_cannot_be_read_is_one_broken_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    good, other = make(store, "good"), make(store, "other")
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if path == other.path.parent:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert store.artifacts() == [good] and store.runs() == []
    assert [entry.path for entry in store.broken()] == [other.path.parent]


def test_a_store_whose_locks_cannot_be_taken_is_said_to_be_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    artifact = make(store)
    (artifact.path.parent / ".stage.lock").unlink(missing_ok=True)
    (artifact.path.parent / ".stage.lock").mkdir()
    with pytest.raises(ArtifactError, match="cannot write to the store"):
        store.remove(artifact)
    (artifact.path.parent / f".run-{'0' * 12}.lock").mkdir()
    with (
        pytest.raises(ArtifactError, match="cannot write to the store"),
        open_run(store, "kitchen", "skills", "0" * 12),
    ):
        pass


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no folders")
def test_a_file_system_that_takes_no_folders_is_no_store() -> None:
    with (
        pytest.raises(ArtifactError, match="cannot write to the store /proc/none: No such file"),
        open_run(Store(Path("/proc/none")), "kitchen", "skills", "0" * 12),
    ):
        pass


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_signs_that_stdout_lacks_are_escaped(encoding: str, swing: Workspace, run_cli: RunCli) -> None:
    variables = {"PYTHONIOENCODING": encoding, **swing.variables}
    listed = run_cli("list", cwd=swing.folder, **variables)
    planned = run_cli(
        "run", "swing.yaml", "--dry-run", "--set", "train_skills.latent_dim=3", cwd=swing.folder, **variables
    )
    assert (listed.returncode, planned.returncode) == (0, 0)
    assert ("→" if encoding == "utf-8" else "\\u2192") in planned.stdout
    assert json.loads(run_cli("list", "--json", cwd=swing.folder, **variables).stdout)["artifacts"]
    assert run_cli("--help", cwd=swing.folder, **variables).returncode == 0


def test_in_a_deleted_folder_a_command_says_so(tmp_path: Path) -> None:
    recipe = shutil.copy(Path(__file__).parents[2] / "recipes" / "gymnasium.yaml", tmp_path)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        (tmp_path / "gone").mkdir()
        script = 'cd gone && rmdir ../gone && exec "$@"'
        command = ["sh", "-c", script, "sh", sys.executable, "-m", "spirl_cli", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=cli_environment(), capture_output=True, text=True, timeout=60)

    assert "kitchen" in run("recipe", "list").stdout
    assert run("recipe", "check", recipe).returncode == 0
    for arguments in (("run", recipe, "--dry-run", "--artifacts", "./somewhere"), ("list",), ("doctor",)):
        done = run(*arguments)
        assert done.returncode == 2 and "The working folder was deleted" in done.stderr, done.stderr
