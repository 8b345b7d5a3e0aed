"""What runs: spirl, what is installed, and the modules that a user allowed; nothing else, wherever a command runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spirl_cli.cli.trust import remember_modules, require_trust
from spirl_cli.demos import download
from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.errors import DatasetError, UsageError
from spirl_cli.evaluation import rendering
from spirl_cli.monitor import children
from spirl_cli.store.store import Store
from tests.support.commands import MakeWorkspace, Workspace, cli_environment
from tests.support.hostile_data import put, rewrite

# Modules that Python, its multiprocessing and spirl's child processes import early.
TRAPS = (
    "numpy",
    "mujoco",
    "minari",
    "json",
    "signal",
    "threading",
    "warnings",
    "multiprocessing",
    "gymnasium",
    "pickle",
)
TRAP = "open({file!r}, 'a').write(__name__ + '\\n')\nraise ImportError(__name__)\n"


def set_traps(folder: Path) -> Path:
    """Write modules into a folder that note that they were run; return their note."""
    sprung = folder / "sprung.txt"
    for name in TRAPS:
        (folder / f"{name}.py").write_text(TRAP.format(file=str(sprung)))
    return sprung


def test_workers_and_drawing_processes_do_not_search_the_working_folder(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    sprung = set_traps(work.folder)
    work.spirl("run", "swing.yaml", "--set", "train_rl.steps=200", "--set", "evaluate.video_episodes=1")
    assert not sprung.exists(), sprung.read_text()


def test_generators_of_demonstrations_do_not_search_the_working_folder(workspace: MakeWorkspace) -> None:
    work = workspace()
    sprung = set_traps(work.folder)
    changes = ("extract.episodes=300", "extract.planner.size=8", "env.size=8", "env.path_length=5")
    work.spirl("extract", "maze", *(word for change in changes for word in ("--set", change)))
    assert not sprung.exists(), sprung.read_text()


def test_the_probe_of_opengl_does_not_search_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sprung = set_traps(tmp_path)
    rendering.probe_rendering.cache_clear()
    rendering.probe_rendering()
    assert not sprung.exists()


def test_a_download_does_not_search_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(download, "_unreachable", lambda server: "")
    sprung = set_traps(tmp_path)
    with pytest.raises(DatasetError, match="download failed"):
        download.download("none/there-v0", lambda text: None)
    assert not sprung.exists()


def test_a_worker_may_start_a_program_that_lies_in_its_folder() -> None:
    code = "import os; from spirl_cli.monitor.children import *; os.environ.update(WORKER_ENVIRONMENT)\n"
    code += "become_worker(); print('PYTHONSAFEPATH' in os.environ)"
    done = subprocess.run(children.python_command("-c", code), env=cli_environment(), capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


# modules that an artifact names


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ({"id": "A-v0"}, ()),
        ({"id": "A-v0", "module": "evil"}, ("evil",)),
        ({"id": "evil:A-v0"}, ("evil",)),
        ({"id": "evil.deep:A-v0", "module": "more"}, ("more", "evil.deep")),
        ({"id": "GymV26Environment-v0", "kwargs": {"env_id": "evil:A-v0"}}, ("evil",)),
        ({"id": "A-v0", "kwargs": {"env_id": 3}}, ()),
    ],
)
def test_a_section_tells_which_modules_it_names(section: dict[str, object], names: tuple[str, ...]) -> None:
    assert GymnasiumSection(kind="gymnasium", episode_length=9, **section).foreign_modules == names


def test_a_module_that_a_recipe_named_is_trusted_from_then_on() -> None:
    own, foreign = (GymnasiumSection(kind="gymnasium", id="A-v0", episode_length=9, module=one) for one in ("a", "b"))
    remember_modules(own)
    require_trust(own, "x/agent@v1", ())
    require_trust(foreign, "x/agent@v1", ("b",))
    with pytest.raises(UsageError, match=r"x/agent@v1 asks to import the module 'b'") as caught:
        require_trust(foreign, "x/agent@v1", ("c",))
    assert "--trust-module b" in caught.value.hint


@pytest.fixture
def hostile_agent(workspace: MakeWorkspace) -> Workspace:
    """An agent whose manifest names a module, and that module in the working folder."""
    work = workspace("agent")
    agent = Store(work.folder / "artifacts").artifacts(stage="agent")[0]
    rewrite(agent, put("evil", "extra", "recipe", "env", "module"))
    (work.folder / "evil.py").write_text("open('owned', 'w')\n")
    return work


EVALUATE = ("evaluate", "--agent", "swing/agent@v1", "--episodes", "1", "--no-video", "--policy", "mean")


def test_the_module_of_an_artifact_is_not_imported_without_a_word(hostile_agent: Workspace) -> None:
    work = hostile_agent
    owned = work.folder / "owned"
    for command in (EVALUATE, ("evaluate",), (*EVALUATE, "--trust-module", "other")):
        refused = work.spirl(*command, code=2, PYTHONPATH=f"{work.folder}:{cli_environment()['PYTHONPATH']}")
        assert "asks to import the module 'evil'" in refused.stderr and not owned.exists()
    for command in (("list",), ("show", "swing/agent"), ("verify",), ("lineage", "swing/agent"), ("doctor",)):
        work.spirl(*command)
    assert not owned.exists()


def test_the_module_of_an_artifact_is_imported_when_it_is_allowed(hostile_agent: Workspace) -> None:
    code = "import sys; sys.path.insert(0, '.'); from spirl_cli.cli.app import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *EVALUATE, "--trust-module", "evil", "--json"]
    done = subprocess.run(command, cwd=hostile_agent.folder, env=cli_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done" and (hostile_agent.folder / "owned").exists()
