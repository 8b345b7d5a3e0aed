"""Planning: what cells share is planned once, and only what is new is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.store.store import Store
from spirl_cli.sweep.cells import Cell
from spirl_cli.sweep.estimate import Timings, wall_seconds
from spirl_cli.sweep.inventory import Inventory
from spirl_cli.sweep.jobs import Job, Plan, plan_cells, waves
from spirl_cli.sweep.record import Record, SweepFolder, find_sweep, sweep_folder
from spirl_cli.sweep.status import Status, status_of
from tests.support.commands import Workspace


@pytest.fixture
def there(swing: Workspace, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    """The store of the whole `swing` pipeline, with its recipe in the working folder."""
    monkeypatch.chdir(swing.folder)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(swing.variables["MINARI_DATASETS_PATH"]))
    return Inventory(swing.folder / "artifacts")


def cell(*overrides: str, method: str | None = None, seed: int | None = None) -> Cell:
    return Cell(" ".join(overrides) or "plain", "swing.yaml", method=method, overrides=overrides, seed=seed)


def stages(plan: Plan) -> list[str]:
    return [job.stage for job in plan.jobs.values()]


def look(plan: Plan, store: Inventory, folder: Path, queued: dict[str, str] | None = None) -> Status:
    return status_of(plan, store, SweepFolder(folder), queued)


def job_of(plan: Plan, stage: str) -> Job:
    (found,) = (job for job in plan.jobs.values() if job.stage == stage)
    return found


def test_what_cells_share_is_planned_once(there: Inventory) -> None:
    plan = plan_cells([cell(method="spirl"), cell(method="no-prior"), cell("evaluate.episodes=3")], there)
    assert stages(plan) == ["clips", "skills", "prior", "agent", "evaluation", "agent", *["evaluation"] * 2]
    first, second, third = plan.cells
    assert first.jobs["skills"] == second.jobs["skills"] and "prior" not in second.jobs
    assert first.jobs["agent"] == third.jobs["agent"] != second.jobs["agent"]


def test_a_seed_is_the_whole_pipeline(there: Inventory) -> None:
    plan = plan_cells([cell(seed=0), cell(seed=1)], there)
    assert len(plan.jobs) == 10
    assert all("seed=1" in job.arguments for job in plan.jobs.values() if job.key in plan.cells[1].jobs.values())


def test_jobs_are_the_command_lines_of_their_stages_behind_what_they_need(there: Inventory) -> None:
    plan = plan_cells([cell("train_rl.steps=700", seed=2)], there, ["--device", "cpu"])
    agent = job_of(plan, "agent")
    words = ("swing.yaml", "--set", "train_rl.steps=700", "--set", "seed=2", "--device", "cpu")
    assert agent.arguments == ("train-rl", *words)
    assert set(agent.needs) == {job_of(plan, "skills").key, job_of(plan, "prior").key}
    seen: set[str] = set()
    for job in plan.jobs.values():
        assert seen.issuperset(job.needs)
        seen.add(job.key)


def test_only_what_is_new_is_left(there: Inventory, tmp_path: Path) -> None:
    assert look(plan_cells([cell()], there), there, tmp_path).left() == []
    plan = plan_cells([cell(), cell("evaluate.episodes=3"), cell("train_rl.discount=0.9")], there)
    assert [job.stage for job in look(plan, there, tmp_path).left()] == ["evaluation", "agent", "evaluation"]


def test_inputs_that_were_removed_are_not_made_again_for_a_finished_cell(
    workspace: Callable[..., Workspace], swing: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = workspace("evaluation")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(swing.variables["MINARI_DATASETS_PATH"]))
    store = Inventory(made.folder / "artifacts")
    status = look(plan_cells([cell()], store), store, made.folder)
    assert status.left() == [] and status.states[job_of(status.plan, "agent").key] == "not needed"
    more = look(plan_cells([cell(), cell("evaluate.episodes=3")], store), store, made.folder)
    assert [job.stage for job in more.left()] == ["clips", "skills", "prior", "agent", "evaluation"]


def test_while_the_dataset_is_unknown_jobs_have_keys_all_the_same(
    there: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = plan_cells([cell(), cell(seed=1)], there)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "none"))
    unknown = plan_cells([cell(), cell(seed=1)], Inventory(tmp_path / "empty"))
    assert list(unknown.jobs) == list(known.jobs)
    assert all(job.fingerprint is None for job in unknown.jobs.values())


def test_states_follow_from_exit_codes_and_the_scheduler(there: Inventory, tmp_path: Path) -> None:
    plan = plan_cells([cell("train_rl.discount=0.9"), cell()], there)
    folder = SweepFolder(tmp_path)
    folder.create()
    broken, done = plan.cells
    agent, evaluation = broken.jobs["agent"], broken.jobs["evaluation"]
    assert look(plan, there, tmp_path).cell_state(broken) == "left"
    queued = look(plan, there, tmp_path, {agent: "RUNNING", evaluation: "PENDING"})
    assert (queued.states[agent], queued.states[evaluation], queued.cell_state(broken)) == (
        "running",
        "queued",
        "running",
    )
    folder.set_exit_code(agent, 130)
    assert look(plan, there, tmp_path).states[agent] == "interrupted"
    folder.set_exit_code(agent, -9)
    assert look(plan, there, tmp_path).stuck_cells() == [broken]
    folder.set_exit_code(agent, 4)
    failed = look(plan, there, tmp_path)
    assert (failed.states[agent], failed.states[evaluation]) == ("failed", "blocked")
    assert failed.stuck_cells() == [broken] and failed.cell_state(done) == "done"
    folder.forget(agent)
    assert look(plan, there, tmp_path).states[agent] == "left"


def test_times_are_those_of_the_same_recipe_scaled_by_the_work(there: Inventory) -> None:
    timings = Timings(there.artifacts())
    (made,) = there.artifacts(stage="skills")
    plan = plan_cells([cell("train_skills.iterations=300", "train_skills.beta=0.1")], there)
    skills = job_of(plan, "skills")
    assert timings.seconds(skills) == pytest.approx(3 * made.manifest.seconds)
    assert timings.seconds(dataclasses.replace(skills, recipe="other")) is None
    assert timings.seconds(dataclasses.replace(skills, profile="quick")) is None


def test_an_agent_that_continues_a_shorter_run_counts_only_the_rest(there: Inventory) -> None:
    plan = plan_cells([cell("train_rl.steps=900")], there)
    assert job_of(plan, "agent").work == 300


def test_jobs_side_by_side_take_at_least_as_long_as_the_longest_chain(there: Inventory) -> None:
    jobs = list(plan_cells([cell(seed=0), cell(seed=1)], there).jobs.values())
    seconds = {job.key: 10.0 for job in jobs}
    assert wall_seconds(jobs, seconds, 1) == 100 and wall_seconds(jobs, seconds, 8) == 50


def test_waves_never_need_what_comes_later(there: Inventory) -> None:
    jobs = plan_cells([cell(method=name) for name in ("spirl", "no-prior", "sac")], there).jobs
    depth = {job.key: number for number, wave in enumerate(waves(jobs.values())) for job in wave}
    assert depth.keys() == jobs.keys()
    assert all(depth[key] < depth[job.key] for job in jobs.values() for key in job.needs)


def test_a_record_reads_back(there: Inventory, tmp_path: Path) -> None:
    plan = plan_cells([cell(), cell(seed=1)], there)
    record = Record("mine", ["spirl", "sweep"], "/somewhere", "2026-01-01", plan, {"a": "1_0"})
    folder = sweep_folder(tmp_path, "mine")
    folder.create()
    folder.write(record)
    assert find_sweep(tmp_path, None).read() == record
    with pytest.raises(ArtifactError, match="Did you mean 'mine'"):
        find_sweep(tmp_path, "min")
    (folder.path / "sweep.json").write_text('{"format_version": 1}')
    with pytest.raises(ArtifactError, match="is damaged"):
        folder.read()


def test_a_sweep_stays_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot name a sweep"):
        sweep_folder(tmp_path, "../up")


def test_a_thousand_cells_read_the_store_once(
    there: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    there = Inventory(there.root)
    listing = Store.look
    monkeypatch.setattr(Store, "look", lambda self, *kind: reads.append(self.root) or listing(self, *kind))
    plan = plan_cells([cell(seed=number) for number in range(30)], there)
    look(plan, there, tmp_path)
    assert len(plan.jobs) == 150 and len(reads) == 1
