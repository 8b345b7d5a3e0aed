"""The command line as a user meets it: a process with two output streams and an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spirl_cli.cli.app import run as run_in_process
from spirl_cli.recipe.load import load_recipe
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.manifest import InputRecord
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.conftest import CHECKOUT, RunCli, cli_environment

TINY = """\
# A kitchen so small that a stage takes a second.
env: {kind: kitchen, tasks: [microwave], episode_length: 20}
extract: {dataset: test/kitchen-v0}
train_skills: {iterations: 20, validate_every: 10, batch_size: 8, best_of: 2, encoder_width: 8, decoder_width: 8}
train_prior: {iterations: 20, validate_every: 10, batch_size: 8, width: 8, depth: 1}
train_rl: {steps: 80, warmup_steps: 40, environments: 1, batch_size: 4, critic_width: 8, policy_width: 8}
evaluate: {episodes: 2, environments: 1, video_episodes: 0, bootstrap: 20}
"""
HEAVY = ("torch", "mujoco", "gymnasium", "minari", "h5py", "matplotlib")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def make_artifact(
    root: Path, stage: str, fingerprint: str, inputs: dict[str, InputRecord] | None = None, **parameters: Any
) -> Artifact:
    """Write an artifact of a recipe called `tiny` as a stage would."""
    with open_run(Store(root), "tiny", stage, fingerprint) as run:
        (run.folder / "data.bin").write_bytes(b"payload")
        return run.commit(
            stage_version=1,
            parameters=parameters,
            inputs=inputs or {},
            seed=0,
            keep=["data.bin"],
            metrics={"loss": 0.5},
        )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with clips and two versions of skills made from them."""
    root = tmp_path / "artifacts"
    clips = make_artifact(root, "clips", "c" * 12)
    make_artifact(root, "skills", "a" * 12, {"clips": clips.as_input()}, beta=0.1)
    make_artifact(root, "skills", "b" * 12, {"clips": clips.as_input()}, beta=0.2)
    return root


# ---- help, names, errors


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train-rl", "--help"], ["list"], ["recipe", "list"], ["list", "--json"]]
)
def test_quick_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = f"import sys; from spirl_cli.cli.app import run; code = run({arguments!r}); print(code, file=sys.stderr);"
    code += f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=cli_environment(), capture_output=True, text=True
    )
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


def test_version(run_cli: RunCli) -> None:
    assert run_cli("--version").stdout.strip()


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


# ---- recipes


def test_recipe_list_knows_the_packaged_recipes_from_any_folder(run_cli: RunCli) -> None:
    rows = json.loads(run_cli("recipe", "list", "--json").stdout)
    by_name = {row["name"]: row for row in rows}
    assert {"kitchen", "paper/kitchen"} <= by_name.keys()
    assert "quick" in by_name["kitchen"]["profiles"] and by_name["kitchen"]["summary"]
    assert "paper/kitchen" in run_cli("recipe", "list").stdout


def test_recipe_show_is_resolved_and_can_be_read_again(tmp_path: Path, run_cli: RunCli) -> None:
    done = run_cli("recipe", "show", "kitchen", "--profile", "quick", "--set", "train_skills.learning_rate=1e-4")
    import yaml

    shown = yaml.safe_load(done.stdout)
    assert float(shown["train_skills"]["learning_rate"]) == 1e-4
    assert shown["profile"] == "quick" and shown["train_prior"]["seed"] == 0


def test_recipe_check_takes_many_files_and_exits_with_2(recipe: Path, run_cli: RunCli) -> None:
    assert run_cli("recipe", "check", "kitchen", recipe).returncode == 0
    wrong = recipe.with_name("wrong.yaml")
    wrong.write_text("env: {kind: kitchn}\n")
    done = run_cli("recipe", "check", recipe, wrong, "--json")
    assert done.returncode == 2
    assert [bool(row["problems"]) for row in json.loads(done.stdout)] == [False, True]


def test_recipe_copy_prints_the_new_file_which_is_sound(tmp_path: Path, run_cli: RunCli) -> None:
    done = run_cli("recipe", "copy", "paper/kitchen", "mine.yaml")
    assert done.stdout == "mine.yaml\n"
    assert run_cli("recipe", "check", "mine.yaml").returncode == 0
    assert run_cli("recipe", "copy", "kitchen", "mine.yaml").returncode == 2


# ---- artifacts


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
    text = run_cli("show", root / "tiny" / "skills" / f"v001-{'a' * 12}").stdout
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
    (root / "tiny" / "skills" / f"v002-{'b' * 12}" / "data.bin").write_bytes(b"damaged")
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


# ---- stages


def test_a_stage_prints_its_path_and_then_that_it_is_up_to_date(
    recipe: Path, synthetic_minari: Any, run_cli: RunCli, tmp_path: Path
) -> None:
    first = run_cli("extract", recipe)
    assert first.returncode == 0, first.stderr
    assert len(first.stdout.splitlines()) == 1
    assert (tmp_path / first.stdout.strip() / "manifest.json").is_file()
    again = run_cli("extract", "--recipe", recipe)
    assert again.stdout == first.stdout and "up to date" in again.stderr
    answer = json.loads(run_cli("extract", recipe, "--json").stdout)
    assert answer["status"] == "up to date" and answer["path"] == first.stdout.strip()
    forced = json.loads(run_cli("extract", recipe, "--json", "--force").stdout)
    assert forced["status"] == "done" and forced["artifact"] == "tiny/clips@v2"


def test_a_dry_run_changes_nothing_and_says_why(
    recipe: Path, synthetic_minari: Any, run_cli: RunCli, tmp_path: Path
) -> None:
    done = run_cli("run", recipe, "--dry-run")
    assert done.returncode == 0 and not (tmp_path / "artifacts").exists()
    assert [line.split()[:2] for line in done.stdout.splitlines()][-1] == ["evaluation", "run"]
    run_cli("extract", recipe)
    changed = run_cli("run", recipe, "--dry-run", "--json", "--set", "extract.validation_fraction=0.3")
    reasons = json.loads(changed.stdout)["plan"][0]["reasons"]
    assert reasons == ["extract.validation_fraction: 0.1 → 0.3 (compared with tiny/clips@v1)"]
    missing = run_cli("train-prior", recipe, "--dry-run")
    assert missing.returncode == 3 and "spirl train-skills" in missing.stderr


def test_a_seed_is_that_of_the_stage(recipe: Path, synthetic_minari: Any, run_cli: RunCli) -> None:
    def seeds(*arguments: str) -> list[bool]:
        plan = json.loads(run_cli(*arguments, "--dry-run", "--json").stdout)["plan"]
        return [stage["status"] == "up to date" for stage in plan]

    run_cli("extract", recipe)
    assert seeds("train-skills", str(recipe), "--seed", "3") == [True, False]
    assert seeds("run", str(recipe), "--seed", "3")[0] is False


def make_agent(root: Path, **more: Any) -> Artifact:
    """Write an agent with the recipe that evaluation needs in its manifest."""
    recipe = load_recipe("kitchen", overrides=["env.noise=0.5"]).model_dump(mode="json")
    with open_run(Store(root), "kitchen", "agent", "e" * 12) as run:
        (run.folder / "data.bin").write_bytes(b"payload")
        parameters = {"env": recipe["env"]}
        return run.commit(
            stage_version=1,
            parameters=parameters,
            inputs={},
            seed=0,
            keep=["data.bin"],
            extra={"recipe": recipe},
            **more,
        )


def planned_evaluation(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    code = run_in_process(["evaluate", *arguments, "--dry-run", "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out)["plan"] if code == 0 else None, said.err


def test_evaluate_alone_takes_the_newest_agent_else_the_reference_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own, reference = tmp_path / "artifacts", tmp_path / "reference"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("spirl_cli.store.store.reference_store", lambda: Store(reference))
    assert planned_evaluation(capsys)[0] == 3
    shipped = make_agent(reference)
    code, plan, said = planned_evaluation(capsys)
    assert code == 0 and plan[0]["path"] == str(shipped.path) and "the newest agent" in said
    assert planned_evaluation(capsys, "--agent", "kitchen/agent")[1][0]["path"] == str(shipped.path)
    make_agent(own, profile="quick")
    assert planned_evaluation(capsys)[1][0]["path"] == str(shipped.path)
    mine = make_agent(own)
    assert planned_evaluation(capsys)[1][0]["path"] == str(mine.path.relative_to(tmp_path))


def test_evaluate_uses_the_environment_of_the_agent_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_agent(tmp_path / "artifacts")
    assert "trained with another" not in planned_evaluation(capsys)[2]
    said = planned_evaluation(capsys, "--set", "env.noise=0.1")[2]
    assert "kitchen/agent@v1 was trained with another env.noise: 0.5 → 0.1" in said
    code, _, said = planned_evaluation(capsys, "--set", "env.nois=0.1")
    assert code == 2 and "Did you mean 'noise'?" in said
    assert planned_evaluation(capsys, "--profile", "quick")[0] == 2


@pytest.mark.slow
def test_all_stages_and_a_pipe_between_two(recipe: Path, synthetic_minari: Any, run_cli: RunCli) -> None:
    done = run_cli("run", recipe, "--json", timeout=300)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [stage["status"] for stage in answer["stages"]] == ["done"] * 5
    assert answer["stage"] == "evaluation" and "subtasks/sampled" in answer["metrics"]
    again = run_cli("run", recipe)
    assert again.stdout.strip() == answer["path"] and "everything is up to date" in again.stderr
    spirl = f"'{sys.executable}' -m spirl_cli"
    line = f'{spirl} evaluate --agent "$({spirl} train-rl {recipe})" --episodes 1 --policy mean --no-video'
    piped = subprocess.run(
        ["bash", "-c", line], cwd=recipe.parent, env=cli_environment(), capture_output=True, text=True, timeout=120
    )
    assert piped.returncode == 0 and len(piped.stdout.splitlines()) == 1, piped.stderr
    prior = run_cli("evaluate", recipe, "--prior-only", "--episodes", "1", "--json")
    assert prior.returncode == 0, prior.stderr
    newest = run_cli("evaluate", "--episodes", "1", "--step", "12345")
    assert newest.returncode == 3 and "snapshot" in newest.stderr


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_exits_with_130_and_the_same_command_resumes(
    sent: signal.Signals, recipe: Path, synthetic_minari: Any, run_cli: RunCli
) -> None:
    run_cli("extract", recipe)
    override = "train_skills.iterations=100000"
    process = subprocess.Popen(
        [sys.executable, "-m", "spirl_cli", "train-skills", str(recipe), "--set", override],
        cwd=recipe.parent,
        env=cli_environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "iterations" in line:
            break
    process.send_signal(sent)
    out, rest = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "again to resume" in rest and "Traceback" not in rest
    plan = json.loads(run_cli("train-skills", recipe, "--set", override, "--dry-run", "--json").stdout)["plan"]
    assert plan[-1]["status"] == "resume"


@pytest.mark.slow
def test_doctor_tells_what_is_here(synthetic_minari: Any, run_cli: RunCli) -> None:
    found = json.loads(run_cli("doctor", "--json", timeout=200).stdout)
    assert found["packages"]["torch"] and found["problems"] == []
    assert synthetic_minari.kitchen in found["datasets"]["local"]


def test_the_package_exports_load_lazily() -> None:
    code = "import sys, spirl_cli; assert 'numpy' not in sys.modules; from spirl_cli import SkillEnv, load_agent"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=dict(os.environ), check=True)
    with pytest.raises(ImportError):
        from spirl_cli import nothing  # type: ignore[attr-defined]  # noqa: F401
