"""Planning and running of stages: what is up to date, what is stale and why, which inputs are used.

The stages themselves are replaced by ones that only write a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spirl_cli.errors import ArtifactError, DivergedError
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.pipeline.execute import ExecutionSettings, Outcome, run_pipeline, run_stage
from spirl_cli.pipeline.graph import PRIOR_EVALUATION, STAGES, stage
from spirl_cli.pipeline.plan import PlannedStage, Request, plan
from spirl_cli.recipe.load import load_recipe
from spirl_cli.stages import extract
from spirl_cli.stages.context import Options, StageContext, StageResult, StageSpec, TrainRLOptions
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.export import export
from spirl_cli.store.manifest import InputRecord
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.datasets import SyntheticMinari

RECIPE = """
env: {kind: kitchen}
extract: {dataset: test/kitchen-v0}
train_rl: {steps: 1000}
profiles: {quick: {train_rl: {steps: 10}}}
"""


class Workplace:
    """A recipe and a store in a folder, with a record of the contexts that stages got."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "kitchen-test.yaml"
        self.file.write_text(RECIPE)
        self.store = Store(folder / "artifacts")
        self.ran: list[StageContext] = []

    def request(self, *overrides: str, last: str = "evaluation", profile: str | None = None, **more: Any) -> Request:
        recipe = load_recipe(self.file, overrides=overrides, profile=profile)
        return Request(recipe, self.store, stage(last), **more)

    def run(self, *overrides: str, **more: Any) -> dict[str, Artifact]:
        outcomes = run_pipeline(self.request(*overrides, **more), ExecutionSettings(SilentReporter()))
        return {outcome.stage.spec.name: outcome.artifact for outcome in outcomes}

    def plan(self, *overrides: str, **more: Any) -> dict[str, PlannedStage]:
        return {planned.spec.name: planned for planned in plan(self.request(*overrides, **more))}

    def execute(self, context: StageContext) -> StageResult:
        self.ran.append(context)
        (context.folder / "payload.txt").write_text(context.spec.name)
        inputs = {}
        if context.spec.name == "clips":
            record = extract.identify(context.recipe)
            assert record is not None
            inputs = {"dataset": record}
        return StageResult(metrics={"figure": 1.0}, keep=("payload.txt",), inputs=inputs)

    def names(self) -> list[str]:
        """Return the stages that ran since the last call."""
        names = [context.spec.name for context in self.ran]
        self.ran.clear()
        return names


@pytest.fixture
def work(tmp_path: Path, synthetic_minari: SyntheticMinari, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    workplace = Workplace(tmp_path)
    monkeypatch.setattr(
        "spirl_cli.pipeline.execute.import_module",
        lambda name: SimpleNamespace(execute=workplace.execute, obtain=extract.obtain),
    )
    yield workplace


def statuses(planned: dict[str, PlannedStage]) -> dict[str, str]:
    return {name: stage.status for name, stage in planned.items()}


def test_a_fresh_folder_runs_every_stage_once_and_then_none(work: Workplace) -> None:
    first = work.run()
    assert work.names() == ["clips", "skills", "prior", "agent", "evaluation"]
    again = work.run()
    assert work.names() == []
    assert [artifact.path for artifact in again.values()] == [artifact.path for artifact in first.values()]


def test_a_changed_parameter_reruns_its_stage_and_what_depends_on_it(work: Workplace) -> None:
    work.run()
    planned = work.plan("train_prior.width=64")
    assert statuses(planned) == {
        "clips": "up to date",
        "skills": "up to date",
        "prior": "run",
        "agent": "run",
        "evaluation": "run",
    }
    assert planned["prior"].reasons == ("train_prior.width: 128 → 64 (compared with kitchen-test/prior@v1)",)
    assert planned["agent"].reasons == ("input prior changed (compared with kitchen-test/agent@v1)",)
    work.names()
    work.run("train_prior.width=64")
    assert work.names() == ["prior", "agent", "evaluation"]


def test_the_horizon_belongs_to_the_clips_too(work: Workplace) -> None:
    work.run()
    assert statuses(work.plan("train_skills.horizon=5"))["clips"] == "run"
    assert statuses(work.plan("train_skills.beta=0.1"))["clips"] == "up to date"


@pytest.mark.parametrize(
    "override",
    [
        "train_skills.checkpoint_seconds=5",
        "train_prior.checkpoint_seconds=5",
        "train_rl.checkpoint_seconds=5",
        "train_rl.log_every=77",
        "evaluate.environments=7",
        "description=other words",
        "train_rl.discount=0.990",
    ],
)
def test_what_does_not_change_the_result_reruns_nothing(work: Workplace, override: str) -> None:
    work.run()
    assert set(statuses(work.plan(override)).values()) == {"up to date"}


def test_the_seed_of_a_stage_is_part_of_its_identity_alone(work: Workplace) -> None:
    work.run()
    planned = work.plan("train_rl.seed=5")
    assert statuses(planned)["prior"] == "up to date" and statuses(planned)["agent"] == "run"
    assert work.run("train_rl.seed=5")["agent"].manifest.seed == 5


def test_another_dataset_makes_everything_stale(work: Workplace, synthetic_minari: SyntheticMinari) -> None:
    work.run()
    planned = work.plan(f"extract.dataset={synthetic_minari.pendulum}")
    assert set(statuses(planned).values()) == {"run"}
    assert "input dataset changed" in planned["clips"].reasons[1]


def test_clips_stay_up_to_date_when_the_dataset_is_gone(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    work.run()
    monkeypatch.setenv("MINARI_DATASETS_PATH", "/nowhere")
    assert set(statuses(work.plan()).values()) == {"up to date"}
    planned = work.plan("train_skills.horizon=5")
    assert planned["clips"].fingerprint is None and planned["evaluation"].fingerprint is None
    assert "the dataset is not on this machine yet" in planned["clips"].reasons[1]
    assert "input clips is made anew" in planned["skills"].reasons[1]


def test_clips_of_a_dataset_that_changed_while_it_was_read_are_refused(
    work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = InputRecord("minari:test/kitchen-v0", "0" * 12, "0" * 64)
    result = StageResult(metrics={}, keep=(), inputs={"dataset": other})
    monkeypatch.setattr(work, "execute", lambda context: result)
    with pytest.raises(ArtifactError, match="changed while it was read"):
        run_stage(work.request(last="clips"), ExecutionSettings(SilentReporter()))
    assert work.store.artifacts() == []


def test_a_single_stage_needs_its_inputs_and_names_the_nearest(work: Workplace) -> None:
    work.run()
    request = work.request("train_skills.beta=0.1", last="agent", named="mine.yaml --profile quick")
    with pytest.raises(ArtifactError, match=r"kitchen-test/skills@v1: train_skills\.beta: 0\.0005 → 0\.1") as error:
        run_stage(request, ExecutionSettings(SilentReporter()))
    assert "spirl train-skills mine.yaml --profile quick" in error.value.hint
    assert "--skills REF" in error.value.hint


def test_a_single_stage_runs_alone(work: Workplace) -> None:
    work.run()
    work.names()
    outcome = run_stage(work.request("train_rl.steps=50", last="agent"), ExecutionSettings(SilentReporter()))
    assert work.names() == ["agent"] and outcome.made


def test_given_skills_replace_the_planned_ones_with_all_that_follows(work: Workplace) -> None:
    work.run()
    other = work.run("train_skills.beta=0.1")["skills"]
    work.names()
    made = work.run("train_rl.steps=50", given={"skills": other})
    assert made["skills"] == other
    assert work.names() == ["agent", "evaluation"]  # the prior of those skills exists
    assert made["agent"].manifest.inputs["skills"].sha256 == other.sha256


def test_a_given_prior_brings_its_skills(work: Workplace) -> None:
    work.run()
    other = work.run("train_skills.beta=0.1")
    outcome = run_stage(
        work.request(last="agent", given={"prior": other["prior"]}), ExecutionSettings(SilentReporter())
    )
    assert not outcome.made and outcome.artifact == other["agent"]


def test_given_artifacts_that_do_not_belong_together_are_refused(work: Workplace) -> None:
    first, second = work.run(), work.run("train_skills.beta=0.1")
    request = work.request(last="agent", given={"skills": first["skills"], "prior": second["prior"]})
    with pytest.raises(ArtifactError, match="kitchen-test/prior@v2 was made from skills"):
        plan(request)


def test_a_given_artifact_needs_nothing_before_it(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = work.run()["agent"]
    for artifact in reversed(work.store.artifacts()):
        if artifact.manifest.stage != "agent":
            work.store.remove(artifact, force=True)
    monkeypatch.setenv("MINARI_DATASETS_PATH", "/nowhere")
    assert statuses(work.plan(given={"agent": agent})) == {"agent": "given", "evaluation": "run"}


def test_a_prior_is_evaluated_without_an_agent(work: Workplace) -> None:
    work.run(last="prior")
    request = Request(load_recipe(work.file), work.store, PRIOR_EVALUATION)
    outcome = run_stage(request, ExecutionSettings(SilentReporter()))
    assert set(outcome.artifact.manifest.inputs) == {"skills", "prior"}


def test_more_steps_continue_the_longest_shorter_run(work: Workplace) -> None:
    work.run("train_rl.steps=500")
    longest = work.run()["agent"]
    work.names()
    assert work.plan("train_rl.steps=2000")["agent"].continue_from == longest
    work.run("train_rl.steps=2000", "train_rl.snapshots=[1500]")
    assert work.ran[0].options == Options(train_rl=TrainRLOptions(longest))


def test_a_copy_without_its_training_state_is_not_continued(work: Workplace, tmp_path: Path) -> None:
    made = work.run()
    for artifact in made.values():
        export(artifact, Store(tmp_path / "copies"), without=("payload*",) if artifact == made["agent"] else ())
    assert work.plan("train_rl.steps=2000")["agent"].continue_from == made["agent"]
    work.store = Store(tmp_path / "copies")
    planned = work.plan("train_rl.steps=2000")["agent"]
    assert (planned.status, planned.continue_from) == ("run", None)
    assert work.plan()["agent"].status == "up to date"


@pytest.mark.parametrize(
    "override",
    ["train_rl.snapshots=[600]", "train_rl.steps=900", "train_rl.discount=0.9", "train_skills.beta=0.1", "env.noise=0"],
)
def test_a_run_that_is_no_beginning_of_the_wanted_one_is_not_continued(work: Workplace, override: str) -> None:
    work.run()
    assert work.plan("train_rl.steps=2000", override)["agent"].continue_from is None


def test_an_unfinished_run_is_resumed_unless_it_is_to_start_anew(work: Workplace) -> None:
    planned = work.plan(last="clips")["clips"]
    assert planned.fingerprint is not None
    with open_run(work.store, "kitchen-test", "clips", planned.fingerprint) as run:
        (run.folder / "checkpoint-5.safetensors").write_text("half")
    assert work.plan(last="clips")["clips"].status == "resume"
    seen: list[bool] = []
    execute = work.execute

    def watch(context: StageContext) -> StageResult:
        seen.append((context.folder / "checkpoint-5.safetensors").exists())
        return execute(context)

    work.execute = watch  # type: ignore[method-assign]
    run_stage(work.request(last="clips"), ExecutionSettings(SilentReporter(), resume=False))
    assert seen == [False]


def test_force_makes_a_new_version_of_the_same_thing(work: Workplace) -> None:
    first = work.run()["skills"]
    request = work.request(last="skills", force=frozenset({"skills"}))
    assert plan(request)[-1].reasons == ("forced",)
    again = run_stage(request, ExecutionSettings(SilentReporter())).artifact
    assert (again.fingerprint, again.manifest.version) == (first.fingerprint, 2)
    assert set(statuses(work.plan()).values()) == {"up to date"}


def test_a_stage_that_fails_leaves_no_artifact_and_keeps_its_folder(work: Workplace) -> None:
    def diverge(context: StageContext) -> StageResult:
        (context.folder / "checkpoint-1.safetensors").write_text("good")
        raise DivergedError("loss is nan")

    work.execute = diverge  # type: ignore[method-assign]
    with pytest.raises(DivergedError):
        work.run()
    assert work.store.artifacts() == []
    assert [run.has_checkpoint for run in work.store.runs()] == [True]


def test_what_another_process_finished_meanwhile_is_not_made_again(work: Workplace) -> None:
    request = work.request(last="clips")
    stale = plan(request)
    work.run(last="clips")
    work.names()
    from spirl_cli.pipeline import execute as run

    outcome = run._ensure(stale[-1], request, ExecutionSettings(SilentReporter()), {})
    assert work.names() == [] and not outcome.made


def test_the_manifest_remembers_recipe_profile_and_device(work: Workplace) -> None:
    agent = work.run(profile="quick")["agent"]
    manifest = agent.manifest
    assert manifest.profile == "quick" and manifest.quick
    assert manifest.extra["device"] == "auto"
    assert manifest.extra["recipe"]["train_rl"]["steps"] == manifest.parameters["train_rl"]["steps"] == 10
    assert manifest.parameters["env"]["tasks"][0] == "microwave"
    assert work.store.newest() is None


def test_outcomes_are_told_as_they_come(work: Workplace) -> None:
    told: list[Outcome] = []
    run_pipeline(work.request(last="skills"), ExecutionSettings(SilentReporter(), on_outcome=told.append))
    assert [(outcome.stage.spec.name, outcome.made) for outcome in told] == [("clips", True), ("skills", True)]


@pytest.mark.parametrize("spec", STAGES, ids=lambda spec: spec.name)
def test_parameters_are_named_as_in_the_recipe(spec: StageSpec) -> None:
    recipe = load_recipe("kitchen")

    for section, values in spec.parameters(recipe).items():
        for key in values:
            assert hasattr(getattr(recipe, section), key)
