"""Whole pipelines through the command line, on small datasets that the tests make."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from spirl_cli import SkillEnv, load_agent
from spirl_cli.clips.reader import Clips
from spirl_cli.store.artifact import Artifact
from tests.support.commands import MakeWorkspace, RunCli, Workspace, cli_environment
from tests.support.datasets import MakeMinari, SyntheticMinari
from tests.support.environments import assert_keeps_gymnasiums_rules
from tests.support.pipeline_data import STAGES, artifacts
from tests.support.warm import WarmServer

PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # how pickles begin
SHORT_KITCHEN = [
    *("extract.dataset=test/kitchen-v0", "env.episode_length=60"),
    *("train_skills.iterations=40", "train_skills.best_of=2", "train_prior.iterations=40"),
    *("train_rl.steps=400", "train_rl.warmup_steps=200", "train_rl.snapshots=[200]", "evaluate.video_episodes=0"),
]


def settings(values: list[str]) -> list[str]:
    return [part for value in values for part in ("--set", value)]


def statuses(plan: str) -> dict[str, str]:
    return {stage["stage"]: stage["status"] for stage in json.loads(plan)["plan"]}


def weights(agent: Path) -> bytes:
    return (agent / "policy.safetensors").read_bytes()


def assert_no_pickle(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            head = path.read_bytes()[:9]
            if path.suffix == ".safetensors":  # begins with the length of its header, which may look like anything
                assert head[8:] == b"{", path
                continue
            assert not head.startswith((*PICKLE, b"PK\x03\x04")), path  # nor a zip, as torch.save and npz write
            assert path.suffix not in (".pkl", ".pickle", ".pt", ".pth", ".npy", ".npz"), path


# ---- the kitchen, as a user types it


@pytest.mark.slow
def test_the_kitchen_from_demonstrations_to_numbers(
    tmp_path: Path, synthetic_minari: SyntheticMinari, run_cli: RunCli
) -> None:
    kitchen = ["kitchen", "--profile", "quick", *settings(SHORT_KITCHEN)]
    done = run_cli("run", *kitchen, timeout=600)
    assert done.returncode == 0, done.stderr
    made = artifacts(tmp_path, "kitchen")
    assert done.stdout == f"{made['evaluation'].path.relative_to(tmp_path)}\n"
    for stage, file in zip(STAGES, ("clips.hdf5", "decoder", "prior", "policy", "results.json"), strict=True):
        manifest = made[stage].manifest
        assert made[stage].verify() == [] and manifest.seed == 0 and manifest.profile == "quick"
        assert any(output.file.startswith(file) for output in manifest.outputs)
        assert manifest.command[1:3] == ["run", "kitchen"] and "torch" in manifest.packages
    assert len((made["evaluation"].path / "episodes.csv").read_text().splitlines()) == 1 + 2 * 3
    assert (made["evaluation"].path / "learning_curve.png").stat().st_size > 1000
    assert_no_pickle(tmp_path / "artifacts")
    assert run_cli("verify").returncode == 0

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "artifacts").rglob("*") if path.is_file()}
    again = run_cli("run", *kitchen)
    assert again.stdout == done.stdout and "everything is up to date" in again.stderr
    line = 'spirl() { \'%s\' -m spirl_cli "$@"; }; spirl evaluate %s --agent "$(spirl train-rl %s)" --json'
    words = " ".join(f"'{word}'" for word in kitchen)
    piped = subprocess.run(
        ["bash", "-c", line % (sys.executable, words, words)],
        cwd=tmp_path,
        env=cli_environment(),
        capture_output=True,
        text=True,
    )
    answer = json.loads(piped.stdout)
    assert (answer["status"], answer["path"]) == ("up to date", done.stdout.strip())
    assert before == {path: path.stat().st_mtime_ns for path in before}


# ---- what is stale


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ("extract.validation_fraction=0.3", "clips"),
        ("train_skills.beta=1e-3", "skills"),
        ("train_skills.horizon=4", "clips"),
        ("train_prior.width=9", "prior"),
        ("train_rl.target_divergence=3", "agent"),
        ("env.episode_length=30", "agent"),
        ("evaluate.bootstrap=30", "evaluation"),
        ("train_rl.checkpoint_seconds=1", None),
        ("train_rl.log_every=50", None),
        ("evaluate.environments=1", None),
    ],
)
def test_a_change_makes_stale_what_depends_on_it(change: str, first: str | None, swing: Workspace) -> None:
    plan = swing.spirl("run", "swing.yaml", "--dry-run", "--json", "--set", change).stdout
    fresh = STAGES.index(first) if first else len(STAGES)
    assert list(statuses(plan).values()) == ["up to date"] * fresh + ["run"] * (len(STAGES) - fresh)
    reasons = {stage["stage"]: stage["reasons"] for stage in json.loads(plan)["plan"]}
    if first:
        assert reasons[first][0].startswith(f"{change.split('=')[0]}: ")
        assert all("input" in " ".join(reasons[stage]) for stage in STAGES[fresh + 1 :])


@pytest.mark.slow
def test_only_what_is_stale_runs(workspace: MakeWorkspace) -> None:
    work = workspace(*STAGES)
    done = work.spirl("run", "swing.yaml", "--json", "--set", "train_prior.width=9")
    answer = json.loads(done.stdout)
    assert [stage["status"] for stage in answer["stages"]] == ["up to date"] * 2 + ["done"] * 3
    assert (answer["artifact"], answer["stage"]) == ("swing/evaluation@v2", "evaluation")
    assert (work.folder / answer["path"] / "manifest.json").is_file()
    # and going back finds the old ones
    assert "everything is up to date" in work.spirl("run", "swing.yaml").stderr


def test_a_snapshot_beyond_the_end_is_not_kept(swing: Workspace) -> None:
    agent = artifacts(swing.folder, "swing")["agent"]
    assert [path.name for path in (agent.path / "snapshots").iterdir()] == ["policy-400.safetensors"]
    assert_no_pickle(swing.folder / "artifacts")


# ---- raising the number of steps


@pytest.mark.slow
def test_raising_the_steps_continues_and_equals_one_long_run(workspace: MakeWorkspace) -> None:
    short, whole = (workspace("clips", "skills", "prior", name=name) for name in ("short", "whole"))
    # an odd number of steps, so that the last skill goes beyond it, where the long run passes by
    train = ["train-rl", "swing.yaml", "--set", "train_rl.updates_per_step=0.7"]
    for steps in (333, 501):
        arguments = [*train, *settings([f"train_rl.steps={steps}", "train_rl.snapshots=[200, 300]"])]
        first = short.artifact(*arguments)
    final = settings(["train_rl.steps=703", "train_rl.snapshots=[300, 600]"])
    plan = json.loads(short.spirl(*train, *final, "--dry-run", "--json").stdout)["plan"][-1]
    assert plan["continues"] == "swing/agent@v2"
    before = weights(first)
    continued = short.spirl(*train, *final)
    assert "continuing swing/agent@v2" in continued.stderr and "resuming at" in continued.stderr
    ours, theirs = short.folder / continued.stdout.strip(), whole.artifact(*train, *final)
    names = [[path.name for path in sorted((agent / "snapshots").iterdir())] for agent in (ours, theirs)]
    assert names[0] == names[1] == ["policy-300.safetensors", "policy-600.safetensors"]
    assert weights(ours) == weights(theirs) != before == weights(first)
    for name in names[0]:
        assert (ours / "snapshots" / name).read_bytes() == (theirs / "snapshots" / name).read_bytes()
    short.spirl("verify")


def test_steps_are_not_continued_where_a_snapshot_was_missed(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior", "agent")
    wanted = settings(["train_rl.steps=700", "train_rl.snapshots=[100]"])
    plan = work.spirl("train-rl", "swing.yaml", *wanted, "--dry-run", "--json").stdout
    assert json.loads(plan)["plan"][-1]["continues"] is None


# ---- other methods


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "method"),
    [
        (["train_skills.model=open-loop"], "spirl-open-loop"),
        (["train_skills.model=primitive", "train_skills.horizon=1", "train_rl.steps=200"], "flat-prior"),
        (["train_rl.regularizer=entropy", "train_rl.initial_policy=scratch"], "no-prior"),
    ],
)
def test_every_method_goes_through_the_whole_pipeline(
    changes: list[str], method: str, workspace: MakeWorkspace
) -> None:
    work = workspace("clips", "skills", "prior")
    done = work.spirl("run", "swing.yaml", *settings(["evaluate.episodes=2", *changes]), "--json")
    answer = json.loads(done.stdout)
    assert answer["metrics"].keys() == {"return/sampled", "return/mean"}
    manifest = Artifact.open(work.folder / answer["path"]).manifest
    assert manifest.extra["method"] == method


def test_a_prior_is_evaluated_without_an_agent(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    answer = json.loads(work.spirl("evaluate", "swing.yaml", "--prior-only", "--episodes", "2", "--json").stdout)
    assert answer["metrics"].keys() == {"return/sampled", "return/mean"}
    manifest = Artifact.open(work.folder / answer["path"]).manifest
    assert manifest.inputs.keys() == {"skills", "prior"} and manifest.extra["method"] == "prior"


# ---- bring your own


@pytest.mark.slow
def test_the_recipe_to_bring_your_own_makes_an_agent_that_acts(
    tmp_path: Path, warm_server: WarmServer, synthetic_minari: SyntheticMinari
) -> None:
    work = Workspace(tmp_path, warm_server, {"MINARI_DATASETS_PATH": synthetic_minari.path})
    work.spirl("recipe", "copy", "gymnasium", "mine.yaml")
    short = settings([f"extract.dataset={synthetic_minari.pendulum}", "train_rl.steps=800", "train_rl.snapshots=[]"])
    work.artifact("run", "mine.yaml", "--profile", "quick", *short)
    agent = artifacts(tmp_path, "mine")["agent"]

    acting = load_agent(agent.path)
    env = gym.make("Pendulum-v1")
    observation, _ = env.reset(seed=0)
    acting.reset()
    for _ in range(12):
        action = acting.act(observation)
        assert env.action_space.contains(np.asarray(action, np.float32))
        observation, *_ = env.step(action)
    acting.reset(batch=3)
    assert acting.act(np.tile(observation, (3, 1))).shape == (3, 1)

    from spirl_cli.inference.decoders import load_decoder

    skills = SkillEnv(gym.make("Pendulum-v1", max_episode_steps=7), load_decoder(agent.path / "decoder.safetensors"))
    assert_keeps_gymnasiums_rules(skills, skip_render_check=True)
    skills.reset(seed=0)
    results = [skills.step(np.zeros(2, np.float32)) for _ in range(2)]
    assert [result[4]["steps"] for result in results] == [5, 2]
    assert [result[3] for result in results] == [False, True]


# ---- a dataset and an environment that do not fit


@pytest.mark.parametrize(
    ("stage", "change", "code", "said"),
    [
        ("train-rl", "env.id=MountainCarContinuous-v0", 3, "observations of the clips have 3 numbers"),
        ("evaluate", "env.id=MountainCarContinuous-v0", 3, "observations of the clips have 3 numbers"),
        ("train-rl", "env.id=CartPole-v1", 2, "continuous actions"),
        ("train-rl", "env.id=Pendulm-v1", 2, "Did you mean 'Pendulum-v1'?"),
        ("train-rl", "env.kwargs={gravty: 3}", 2, "gravty"),
        ("train-rl", "env.module=no_such_module", 2, "no_such_module"),
        ("train-rl", "env.reward=success", 2, "success_key"),
        ("extract", "extract.action_bounds=[-1, 1]", 3, "episode"),
        ("extract", "extract.observation=[{key: state}]", 3, "state"),
        ("extract", "extract.observation=[{indices: [7]}]", 3, "7"),
        ("extract", "train_skills.horizon=100", 3, "100"),
        ("extract", "extract.dataset=test/pendulm-v0", 3, "Did you mean 'test/pendulum-v0'?"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(
    stage: str, change: str, code: int, said: str, swing: Workspace, tmp_path: Path
) -> None:
    arguments = [stage, "swing.yaml", "--set", change]
    if stage == "evaluate":
        arguments += ["--agent", "swing/agent"]
    done = swing.spirl(*arguments, code=code, HF_ENDPOINT="http://127.0.0.1:9")
    assert said in done.stderr and done.stdout == "" and "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1


def test_clips_that_do_not_fit_are_refused_before_skills_are_trained(workspace: MakeWorkspace) -> None:
    work = workspace("clips")
    done = work.spirl("train-skills", "swing.yaml", "--set", "env.id=MountainCarContinuous-v0", code=3)
    assert "observations of the clips have 3 numbers" in done.stderr


def test_other_action_bounds_are_refused(workspace: MakeWorkspace) -> None:
    work = workspace()
    (work.folder / "swing.yaml").write_text(
        (work.folder / "swing.yaml").read_text().replace("pendulum-v0}", "pendulum-v0, action_bounds: [-3, 3]}")
    )
    done = work.spirl(
        "run", "swing.yaml", *settings(["train_skills.iterations=10", "train_prior.iterations=10"]), code=3
    )
    assert "the lower bound of action 0 is -3 in the clips and -2 in the environment" in done.stderr


@pytest.mark.parametrize(
    ("actions", "said"),
    [(gym.spaces.Discrete(3), "iscrete"), (gym.spaces.Box(-1, 1, (2, 2), np.float64), "shape")],
)
def test_datasets_with_other_actions_are_refused(
    actions: gym.Space[Any], said: str, make_minari: MakeMinari, swing: Workspace, tmp_path: Path
) -> None:
    space = gym.spaces.Box(-1, 1, (3,), np.float64)
    episode = (np.zeros((31, 3)), np.array([actions.sample() for _ in range(30)]))
    make_minari("test/odd-v0", [episode, episode], space, actions)
    done = swing.spirl(
        *("extract", "swing.yaml", "--set", "extract.dataset=test/odd-v0"),
        code=3,
        MINARI_DATASETS_PATH=tmp_path / "minari",
    )
    assert said in done.stderr


# ---- and round again


@pytest.mark.slow
def test_evaluated_episodes_become_a_dataset_to_extract(
    workspace: MakeWorkspace, minari_folder: SyntheticMinari, tmp_path: Path
) -> None:
    work = workspace("clips", "skills", "prior", "agent")
    shutil.copytree(minari_folder.path, tmp_path / "minari")
    work.variables = {**work.variables, "MINARI_DATASETS_PATH": tmp_path / "minari"}
    arguments = ["evaluate", "swing.yaml", "--episodes", "3", "--save-dataset", "mine/swing-v0"]
    done = work.spirl(*arguments)
    assert "wrote the dataset mine/swing-v0 in the format minari" in done.stderr
    assert work.spirl(*arguments).stdout == done.stdout  # up to date: the dataset is not written again
    extracted = json.loads(
        work.spirl("extract", "swing.yaml", "--set", "extract.dataset=mine/swing-v0", "--json").stdout
    )
    assert extracted["metrics"]["episodes"] == 3 and extracted["metrics"]["steps"] == 3 * 40
    refused = work.spirl(*arguments, "--seed", "5", code=2)
    assert "there is a dataset 'mine/swing-v0' already" in refused.stderr
    _same_in_other_formats(work, extracted["path"])


def _same_in_other_formats(work: Workspace, minari_clips: str) -> None:
    """Save the same episodes for other tools, extract them, and compare all windows with those of Minari."""
    expected = Clips.open(work.folder / minari_clips / "clips.hdf5")
    for target, more, key in (
        ("mine.hdf5", (), "state"),
        ("mine", ("--save-format", "lerobot"), "observation.state"),
    ):
        arguments = ["evaluate", "swing.yaml", "--episodes", "3", "--save-dataset", target, *more]
        work.spirl(*arguments)
        values = [f"extract.dataset={target}", "extract.action_bounds=[-2,2]", f"extract.observation=[{{key: {key}}}]"]
        again = work.spirl("extract", "swing.yaml", *(word for one in values for word in ("--set", one)), "--json")
        clips = Clips.open(work.folder / json.loads(again.stdout)["path"] / "clips.hdf5")
        starts = expected.starts("train")
        for got, wanted in zip(clips.windows(starts), expected.windows(starts), strict=True):
            np.testing.assert_array_equal(got, wanted)
        assert "already" in work.spirl(*arguments, "--seed", "6", code=2).stderr
