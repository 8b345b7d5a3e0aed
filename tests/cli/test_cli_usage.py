"""The command line as a user meets it: help, completion, wrong usage, errors and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spirl_cli.cli.app import run as run_in_process
from tests.support.cli_data import TINY
from tests.support.commands import RunCli, cli_environment, run_python
from tests.support.datasets import SyntheticMinari

HEAVY = ("torch", "mujoco", "gymnasium", "minari", "h5py", "matplotlib")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train-rl", "--help"], ["list"], ["recipe", "list"], ["list", "--json"]]
)
def test_quick_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = f"import sys; from spirl_cli.cli.app import run; code = run({arguments!r}); print(code, file=sys.stderr);"
    code += f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = run_python(code, cwd=tmp_path)
    assert done.stderr.splitlines()[-2:] == ["0", "[]"]


def test_completion_imports_nothing_heavy_and_knows_recipes_and_artifacts(root: Path, run_cli: RunCli) -> None:
    def complete(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_SPIRL_COMPLETE": "complete_bash"}
        return run_cli(**words).stdout.split()

    assert complete("spirl train-rl paper/kitchen-o") == ["paper/kitchen-open-loop"]
    assert complete("spirl show tiny/s") == ["tiny/skills@v2", "tiny/skills@v1"]
    assert complete("spirl train-prior kitchen --skills ") == ["tiny/skills@v2", "tiny/skills@v1"]
    assert "train-prior" in complete("spirl tr")


def test_without_arguments_it_shows_its_help(run_cli: RunCli) -> None:
    done = run_cli()
    assert done.returncode == 0 and "train-skills" in done.stdout


def test_it_tells_its_version(run_cli: RunCli) -> None:
    from spirl_cli import __version__

    assert run_cli("--version").stdout == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian-rl"], "Did you mean 'train-rl'"),
        (["train-rl", "--recipie", "x"], "Did you mean '--recipe'?"),
        (["train-rl", "kitchn"], "Did you mean 'kitchen'?"),
        (["train-rl"], "Which recipe?"),
        (["train-rl", "kitchen", "--recipe", "kitchen"], "given twice"),
        (["train-rl", "kitchen", "--set", "train_rl.stepz=3"], "--set train_rl.stepz=3: train_rl.stepz is not a known"),
        (["train-rl", "kitchen", "--set", "env.tasks=[kettel]"], "Did you mean 'kettle'?"),
        (["train-rl", "kitchen", "--profile", "quik"], "Did you mean 'quick'?"),
        (["train-rl", "kitchen", "--seed", "-1"], "--seed"),
        (["evaluate", "--prior-only", "--step", "3"], "--prior-only"),
        (["evaluate", "--skills", "x"], "--prior-only"),
        (["list", "--stage", "skill"], "'skills'"),
    ],
)
def test_wrong_usage_exits_with_2_and_one_paragraph(arguments: list[str], said: str, run_cli: RunCli) -> None:
    done = run_cli(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and "Traceback" not in done.stderr
    assert 1 <= len(done.stderr.strip().splitlines()) <= 3


def test_a_wrong_recipe_is_told_with_line_and_column(recipe: Path, run_cli: RunCli) -> None:
    recipe.write_text(TINY.replace("evaluate: {episodes", "evaluate: {episode"))
    done = run_cli("run", recipe)
    assert done.returncode == 2
    assert "tiny.yaml:7:12: evaluate.episode is not a known key. Did you mean 'episodes'?" in done.stderr


def test_a_missing_artifact_exits_with_3_and_suggests(root: Path, run_cli: RunCli) -> None:
    done = run_cli("show", "tiny/skils")
    assert done.returncode == 3 and "Did you mean 'tiny/skills'?" in done.stderr


def test_a_missing_dataset_exits_with_3_and_says_how_to_get_it(recipe: Path, run_cli: RunCli) -> None:
    done = run_cli("extract", recipe, "--set", "extract.source=minari", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 3 and "minari download test/kitchen-v0" in done.stderr


def test_nothing_to_evaluate_exits_with_3(run_cli: RunCli) -> None:
    done = run_cli("evaluate", "--agent", "nowhere/agent")
    assert done.returncode == 3 and "no artifact 'nowhere/agent'" in done.stderr


def test_an_unexpected_failure_exits_with_1_and_shows_its_traceback_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("spirl_cli.recipe.library.list_recipes", fail)
    assert run_in_process(["recipe", "list"]) == 1
    said = capsys.readouterr().err
    assert "unexpected ValueError: a bug" in said and "Traceback" not in said
    assert run_in_process(["recipe", "list"], debug=True) == 1
    assert "Traceback" in capsys.readouterr().err


def test_debug_is_understood_anywhere(run_cli: RunCli) -> None:
    for arguments in (["--debug", "show", "no/skills"], ["show", "no/skills", "--debug"]):
        done = run_cli(*arguments)
        assert done.returncode == 3 and "Traceback" in done.stderr


def test_a_closed_pipe_is_no_failure(root: Path) -> None:
    line = f"'{sys.executable}' -m spirl_cli list | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=root.parent, env=cli_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_doctor_tells_what_is_here(synthetic_minari: SyntheticMinari, run_cli: RunCli) -> None:
    found = json.loads(run_cli("doctor", "--json", timeout=200).stdout)
    assert found["packages"]["torch"] and found["problems"] == []
    assert synthetic_minari.kitchen in found["datasets"]["local"]


def test_the_package_exports_load_lazily() -> None:
    code = "import sys, spirl_cli; print('numpy' in sys.modules); from spirl_cli import SkillEnv, load_agent; "
    assert run_python(code + "print(SkillEnv.__name__, load_agent.__name__)").stdout == "False\nSkillEnv load_agent\n"
    with pytest.raises(ImportError):
        from spirl_cli import nothing  # type: ignore[attr-defined]  # noqa: F401
