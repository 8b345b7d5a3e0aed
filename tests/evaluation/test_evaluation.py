"""Statistics, rollouts, results, figures, videos and datasets of an evaluation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from benchmarks import tables
from spirl_cli.domains.sections import EnvSection, KitchenSection, MazeSection
from spirl_cli.errors import ArtifactError, DivergedError, Interrupted, UsageError
from spirl_cli.evaluation import rendering, video
from spirl_cli.evaluation.aggregate import aggregate, publish
from spirl_cli.evaluation.episodes import EpisodeResult, Evaluated, read_episodes, write_episodes
from spirl_cli.evaluation.figures import draw_learning_curve
from spirl_cli.evaluation.naming import method_name, nominal_steps, training_data
from spirl_cli.evaluation.published import published_curves
from spirl_cli.evaluation.results import Provenance, ResultRow, read_rows, result_rows
from spirl_cli.evaluation.rollouts import RolloutSettings, rollout
from spirl_cli.evaluation.statistics import bootstrap_mean, metric_rates
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.inference.policies import MeanPolicy, load_policy
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.recipe.sections.rl import Parity, TrainRLSection
from spirl_cli.stages.evaluate import execute
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.agent_data import evaluation_context, make_agent, make_skills_and_prior, pendulum_recipe

# The contract of the rows of results, in its order.
RESULT_FIELDS = (
    "env method metric mean low high seeds episodes policy env_steps order noise reward layout data commit command"
)


class HeardReporter(SilentReporter):
    """Remembers warnings and messages."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)

    def warn(self, text: str) -> None:
        self.heard.append(text)

    def table(self, title: str, rows: Sequence[Mapping[str, object]]) -> None:
        self.heard.append(title)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts")


# --- statistics


def test_bootstrap_of_one_group_is_that_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    estimate = bootstrap_mean([values])
    assert estimate.mean == pytest.approx(values.mean())
    half_width = 1.96 * values.std() / 20
    assert estimate.low == pytest.approx(values.mean() - half_width, abs=0.03)
    assert estimate.high == pytest.approx(values.mean() + half_width, abs=0.03)
    assert estimate == bootstrap_mean([values])


def test_bootstrap_over_seeds_is_as_wide_as_seeds_differ() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, size=100)
    alike, apart = bootstrap_mean([noise, noise, noise]), bootstrap_mean([noise - 1, noise, noise + 1])
    assert alike.mean == pytest.approx(apart.mean)
    assert apart.high - apart.low > 10 * (alike.high - alike.low)


def test_every_seed_weighs_the_same() -> None:
    assert bootstrap_mean([[0.0] * 300, [1.0] * 100]).mean == pytest.approx(0.5)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    estimates = [bootstrap_mean([rng.binomial(1, 0.4, size=100)], resamples=500, seed=k) for k in range(300)]
    assert 0.9 < np.mean([one.low <= 0.4 <= one.high for one in estimates]) < 0.99


@pytest.mark.parametrize("groups", [[], [[]], [[1.0], []]])
def test_bootstrap_refuses_nothing(groups: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap_mean(groups)


def test_rates_of_subtasks() -> None:
    rates = metric_rates([{"kettle": 1.0, "microwave": 0.0}, {"kettle": 1.0, "microwave": 1.0}])
    assert rates["kettle"].mean == rates["kettle"].low == 1.0
    assert rates["microwave"].mean == 0.5


# --- rollouts


def roll(artifact: Artifact, *, environments: int, kind: Any = "sampled", **settings: Any) -> list[EpisodeResult]:
    return rollout(
        pendulum_recipe().env,
        load_decoder(artifact.file("decoder.safetensors")),
        load_policy(artifact.file("policy.safetensors"), kind),
        RolloutSettings(**{"episodes": 7, "seed": 5, "environments": environments, "processes": False, **settings}),
        SilentReporter(),
    )


def test_results_do_not_depend_on_the_number_of_environments(store: Store) -> None:
    artifact = make_agent(store, pendulum_recipe())
    alone = roll(artifact, environments=1)
    assert [result.episode for result in alone] == list(range(7))
    assert {result.length for result in alone} == {22}
    assert len({result.return_ for result in alone}) == 7
    assert roll(artifact, environments=3) == alone
    assert roll(artifact, environments=50) == alone
    assert roll(artifact, environments=2, processes=True) == alone


def test_more_episodes_keep_the_first_and_seeds_and_policies_differ(store: Store) -> None:
    artifact = make_agent(store, pendulum_recipe())
    base = roll(artifact, environments=2)
    assert roll(artifact, environments=2, episodes=9)[:7] == base
    assert roll(artifact, environments=2, seed=6)[0] != base[0]
    assert roll(artifact, environments=2, kind="mean")[0] != base[0]


def test_a_policy_that_is_not_finite_is_refused(store: Store) -> None:
    artifact = make_agent(store, pendulum_recipe())

    class Broken:
        def latent(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            return np.full(2, np.nan, np.float32)

    decoder = load_decoder(artifact.file("decoder.safetensors"))
    policy = load_policy(artifact.file("policy.safetensors"), "mean")
    with pytest.raises(ArtifactError, match="not finite"):
        policy.latent(np.full(3, np.nan, np.float32), np.random.default_rng())
    with pytest.raises(DivergedError, match="non-finite"):
        settings = RolloutSettings(1, 0, processes=False)
        rollout(pendulum_recipe().env, decoder, Broken(), settings, SilentReporter())


# --- episodes and results


def episodes(policy: str, env_steps: int, returns: Sequence[float]) -> Evaluated:
    results = (EpisodeResult(k, value, 22, {"success": float(value > 0)}) for k, value in enumerate(returns))
    return Evaluated("spirl", policy, env_steps, tuple(results))


def test_episodes_survive_the_csv_exactly(tmp_path: Path) -> None:
    groups = [episodes("sampled", 500, [0.1 + 0.2, -1e-17]), episodes("mean", 500, [1 / 3])]
    write_episodes(tmp_path / "episodes.csv", groups)
    assert read_episodes(tmp_path / "episodes.csv") == groups


def test_a_damaged_csv_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "episodes.csv"
    write_episodes(path, [episodes("mean", 0, [1.0, 2.0])])
    path.write_text(path.read_text().replace("2.0", "two"))
    with pytest.raises(ArtifactError, match=r"episodes\.csv:3"):
        read_episodes(path)


def test_the_fields_of_a_row_are_those_of_the_contract() -> None:
    assert [field.name for field in fields(ResultRow)] == RESULT_FIELDS.split()


def test_kitchen_rows_count_subtasks_and_name_their_condition() -> None:
    group = Evaluated("prior", "mean", 0, (EpisodeResult(0, 1.0, 280, {"subtasks": 1.0, "kettle": 1.0}),))
    provenance = Provenance("relay/kitchen-human-v0", None, "spirl evaluate kitchen --prior-only")
    (row,) = result_rows([group], KitchenSection(order="in-order", noise=0.1), provenance, resamples=10, seed=0)
    assert (row.env, row.metric, row.order, row.noise, row.mean) == ("kitchen", "subtasks", "in-order", 0.1, 1.0)
    assert (row.reward, row.layout, row.seeds, row.episodes) == (None, None, 1, 1)


@pytest.mark.parametrize(
    ("model", "regularizer", "start", "method"),
    [
        ("closed-loop", "prior", "prior", "spirl"),
        ("open-loop", "prior", "prior", "spirl-open-loop"),
        ("primitive", "prior", "prior", "flat-prior"),
        ("closed-loop", "entropy", "scratch", "no-prior"),
        ("primitive", "entropy", "prior", "bc-sac"),
        ("primitive", "entropy", "scratch", "sac"),
        ("closed-loop", "entropy", "prior", "prior-as-start-only"),
        ("open-loop", "prior", "scratch", "prior-as-regularizer-only"),
    ],
)
def test_methods_have_the_names_of_the_contract(model: str, regularizer: Any, start: Any, method: str) -> None:
    section = TrainRLSection(regularizer=regularizer, initial_policy=start)
    assert method_name(model, section, KitchenSection()) == method
    assert method_name(model, section, MazeSection(kind="maze")) == {"spirl-open-loop": "spirl"}.get(method, method)


def test_nominal_steps_count_the_warmup() -> None:
    assert nominal_steps(TrainRLSection(warmup_steps=50), 200) == 200
    assert nominal_steps(TrainRLSection(warmup_steps=50, parity=Parity(uncounted_warmup=True)), 200) == 250


# --- the stage


def evaluate(store: Store, tmp_path: Path, agent: Artifact, name: str = "run", **options: Any) -> Any:
    recipe = pendulum_recipe()
    context = evaluation_context(tmp_path / name, recipe, {"agent": agent}, **options)
    return context, execute(context)


def test_an_evaluation_writes_numbers_and_a_figure(store: Store, tmp_path: Path) -> None:
    context, result = evaluate(store, tmp_path, make_agent(store, pendulum_recipe()))
    assert set(result.keep) == {"episodes.csv", "results.json", "learning_curve.png"}
    evaluated = [(group.policy, group.env_steps) for group in read_episodes(context.folder / "episodes.csv")]
    assert evaluated == [("sampled", 1000), ("mean", 1000), ("sampled", 500)]
    content = json.loads((context.folder / "results.json").read_text())
    assert [list(row) for row in content["rows"]] == [RESULT_FIELDS.split()] * 3
    row = content["rows"][0]
    assert (row["env"], row["method"], row["metric"]) == ("Pendulum-v1", "spirl", "return")
    assert (row["episodes"], row["data"]) == (5, "test/pendulum-v0")
    assert row["low"] <= row["mean"] <= row["high"]
    assert result.metrics["return/sampled"] == row["mean"]
    assert (context.folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_snapshot_can_be_evaluated_alone(store: Store, tmp_path: Path) -> None:
    agent = make_agent(store, pendulum_recipe())
    both, _ = evaluate(store, tmp_path, agent, "all")
    alone, _ = evaluate(store, tmp_path, agent, "one", step=500)
    groups = read_episodes(alone.folder / "episodes.csv")
    assert [(group.policy, group.env_steps) for group in groups] == [("sampled", 500), ("mean", 500)]
    assert groups[0] == read_episodes(both.folder / "episodes.csv")[2]
    with pytest.raises(ArtifactError, match="no snapshot at step 600"):
        evaluate(store, tmp_path, agent, "none", step=600)


def test_a_prior_alone_is_evaluated_at_step_zero(store: Store, tmp_path: Path) -> None:
    recipe = pendulum_recipe()
    context = evaluation_context(tmp_path / "run", recipe, make_skills_and_prior(store, recipe))
    execute(context)
    rows = read_rows(context.folder / "results.json")
    assert [(row.method, row.policy, row.env_steps) for row in rows] == [("prior", "sampled", 0), ("prior", "mean", 0)]


def test_an_interrupted_evaluation_goes_on(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = make_agent(store, pendulum_recipe())
    whole, _ = evaluate(store, tmp_path, agent, "whole")
    from spirl_cli.stages import evaluate as stage

    rolled = []

    def interrupt_the_second(*arguments: Any, **options: Any) -> Any:
        rolled.append(options["description"])
        if len(rolled) == 2:
            raise Interrupted("interrupted")
        return rollout(*arguments, **options)

    monkeypatch.setattr(stage, "rollout", interrupt_the_second)
    context = evaluation_context(tmp_path / "run", pendulum_recipe(), {"agent": agent})
    with pytest.raises(Interrupted):
        execute(context)
    execute(context)
    assert rolled.count("evaluate sampled-1000") == 1
    for name in ("episodes.csv", "results.json"):
        assert (context.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_signal_stops_a_rollout(store: Store) -> None:
    artifact = make_agent(store, pendulum_recipe())
    with pytest.raises(Interrupted):
        rollout(
            pendulum_recipe().env,
            load_decoder(artifact.file("decoder.safetensors")),
            load_policy(artifact.file("policy.safetensors"), "mean"),
            RolloutSettings(3, 0, processes=False),
            SilentReporter(),
            stop=lambda: True,
        )


def test_sigterm_stops_the_stage_and_keeps_what_is_done(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send_signal(self: MeanPolicy, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGTERM)
        return np.zeros(2, np.float32)

    monkeypatch.setattr(MeanPolicy, "latent", send_signal)
    with pytest.raises(Interrupted) as stopped:
        evaluate(store, tmp_path, make_agent(store, pendulum_recipe()))
    assert "same command" in stopped.value.hint
    assert [path.name for path in (tmp_path / "run" / "finished").iterdir()] == ["sampled-1000.csv"]


def test_skills_of_another_environment_are_refused(store: Store, tmp_path: Path) -> None:
    agent = make_agent(store, pendulum_recipe())
    recipe = pendulum_recipe(env={"id": "MountainCarContinuous-v0"})
    with pytest.raises(ArtifactError, match="observations"):
        execute(evaluation_context(tmp_path / "run", recipe, {"agent": agent}))


def test_data_is_known_from_the_recipe_where_the_clips_are_gone(store: Store) -> None:
    prior = make_skills_and_prior(store, pendulum_recipe(extract={"dataset": "/home/me/rollouts.hdf5"}))["prior"]
    assert training_data(prior) == "rollouts.hdf5"


# --- several seeds


def commit_evaluation(store: Store, tmp_path: Path, seed: int) -> Artifact:
    agent = make_agent(store, pendulum_recipe(), fingerprint=f"{seed:012x}", seed=seed)
    context, result = evaluate(store, tmp_path, agent, f"evaluation{seed}")
    with open_run(store, "pendulum", "evaluation", f"{seed:012x}") as run:
        for name in result.keep:
            (context.folder / name).rename(run.folder / name)
        inputs = {"agent": agent.as_input()}
        parameters = {"env": context.recipe.env.model_dump(mode="json")}
        return run.commit(stage_version=1, parameters=parameters, inputs=inputs, seed=seed, keep=result.keep)


def test_seeds_are_joined_into_one_row_per_condition(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (commit_evaluation(store, tmp_path, seed) for seed in (1, 2))
    rows = aggregate([first, second], command="make results", resamples=500)
    singles = [read_rows(artifact.file("results.json")) for artifact in (first, second)]
    assert len(rows) == len(singles[0]) == 3
    for row, *own in zip(rows, *singles, strict=True):
        assert row.condition == own[0].condition
        assert row.mean == pytest.approx(np.mean([one.mean for one in own]))
        assert row.low <= row.mean <= row.high
        assert (row.seeds, row.episodes, row.command) == (2, 10, "make results")
    with pytest.raises(ArtifactError, match="same weights"):
        aggregate([first, first], command="")
    with pytest.raises(ArtifactError, match="no evaluation"):
        aggregate([], command="")
    check_publishing(store, tmp_path, capsys)


def check_publishing(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme, results = tmp_path / "README.md", tmp_path / "reference" / "results.json"
    readme.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
    references = ["pendulum/evaluation@v1", "pendulum/evaluation@v2"]
    options = ["--artifacts", str(store.root), "--readme", str(readme)]
    curve = tmp_path / "curve.png"
    assert tables.main([str(results), *references, *options, "--curve", str(curve)]) == 0
    assert curve.read_bytes().startswith(b"\x89PNG")
    table = capsys.readouterr().out
    assert readme.read_text() == f"before\n{tables.BEGIN}\n{table}{tables.END}\nafter\n"
    assert len(json.loads(results.read_text())) == 3
    assert len(results.with_suffix(".csv").read_text().splitlines()) == 4
    assert tables.main([str(results), "pendulum/evaluation@v9", *options]) == 3


def row(**changes: Any) -> ResultRow:
    base = ResultRow(
        env="kitchen",
        method="spirl",
        metric="subtasks",
        mean=2.5,
        low=2.4,
        high=2.6,
        seeds=3,
        episodes=300,
        policy="sampled",
        env_steps=200_000,
        order="in-order",
        noise=0.01,
        reward=None,
        layout=None,
        data="relay/kitchen-human-v0",
        commit=None,
        command="spirl evaluate kitchen",
    )
    return replace(base, **changes)


def test_publishing_replaces_the_same_condition_and_sorts(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    publish(path, [row(), row(env_steps=1_000_000), row(order=None)])
    rows = publish(path, [row(mean=2.7, high=2.8), row(env_steps=50_000)])
    assert read_rows(path) == rows
    in_order = [(one.env_steps, one.mean) for one in rows if one.order]
    assert in_order == [(50_000, 2.5), (200_000, 2.7), (1_000_000, 2.5)]


def test_rows_with_other_fields_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{**asdict(row()), "peak": 3.0}]))
    with pytest.raises(ArtifactError, match=r"results\.json"):
        read_rows(path)


def test_data_that_users_cannot_fetch_is_marked() -> None:
    marked = tables.markdown_table([row(), row(data="D4RL/kitchen/mixed-v2")])
    lines = [line for line in marked.splitlines() if line.startswith("| kitchen")]
    assert "†" in lines[0] and "†" not in lines[1]
    assert "not public" in marked
    assert "3 x 100" in lines[0] and "200,000: **2.50** [2.40, 2.60]" in lines[0]


def test_the_points_of_a_learning_curve_share_a_line() -> None:
    points = [row(env_steps=100_000, mean=2.0, low=1.9, high=2.1), row(), row(policy="mean")]
    first, second = [line for line in tables.markdown_table(points).splitlines() if line.startswith("| kitchen")]
    assert first.endswith("100,000: **2.00** [1.90, 2.10] · 200,000: **2.50** [2.40, 2.60] |")
    assert "| mean |" in second


def test_a_readme_without_markers_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing\n")
    with pytest.raises(UsageError, match="results:begin"):
        tables.update_readme(readme, [row()])


# --- figures


def test_published_curves_are_for_the_published_task_only(tmp_path: Path) -> None:
    curves, note = published_curves(KitchenSection())
    assert {"SPiRL, closed-loop", "SAC"} <= {curve.label for curve in curves} and "noise" in note
    assert published_curves(KitchenSection(tasks=("kettle",))) == ((), "")
    assert published_curves(pendulum_recipe().env) == ((), "")


def test_warmup_is_counted_in_the_published_curves() -> None:
    closed_loop = next(curve for curve in published_curves(KitchenSection())[0] if curve.label == "SPiRL, closed-loop")
    assert closed_loop.shifted()[0][:2] == (200_000, 250_000)


@pytest.mark.parametrize("steps", [(0,), (0, 200_000)])
def test_a_figure_is_drawn_for_points_and_curves(tmp_path: Path, steps: tuple[int, ...]) -> None:
    path = tmp_path / "curve.png"
    rows = [row(env_steps=step, policy=policy) for step in steps for policy in ("sampled", "mean")]
    draw_learning_curve(path, rows, KitchenSection(order="in-order"))
    assert path.read_bytes().startswith(b"\x89PNG")


# --- videos


@pytest.fixture
def unprobed() -> Iterator[None]:
    """Let a test and those after it look for OpenGL anew."""
    rendering.probe_rendering.cache_clear()
    yield
    rendering.probe_rendering.cache_clear()


@pytest.mark.usefixtures("unprobed")
def test_without_opengl_one_line_says_what_to_install(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disabled")
    reporter = HeardReporter()
    request = drawn_request(make_agent(store, pendulum_recipe()), tmp_path)
    assert video.record_videos(request, reporter) == []
    (line,) = reporter.heard
    assert "apt-get install" in line and "\n" not in line


@pytest.mark.usefixtures("unprobed")
def test_a_backend_that_does_not_draw_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_draws", lambda backend: backend == "osmesa")
    monkeypatch.setattr(rendering.sys, "platform", "linux")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    assert rendering.probe_rendering() == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "egl")
    rendering.probe_rendering.cache_clear()
    assert rendering.probe_rendering() is None


def test_a_probe_that_hangs_or_fails_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*arguments: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired("probe", 1)

    monkeypatch.setattr(rendering.subprocess, "run", hang)
    assert not rendering._draws("egl")


def drawn_request(agent: Artifact, folder: Path) -> video.VideoRequest:
    """Two episodes of a MuJoCo environment of which the agent sees the first three numbers."""
    env = pendulum_recipe(env={"id": "InvertedPendulum-v5", "observation": [{"indices": ["0:3"]}]}).env
    return video.VideoRequest(
        env=env.model_dump(mode="json"),
        decoder=str(agent.file("decoder.safetensors")),
        policy=str(agent.file("policy.safetensors")),
        kind="sampled",
        seed=0,
        episodes=2,
        tanh_actions=False,
        folder=str(folder / "videos"),
        name="sampled-1000",
    )


@pytest.mark.slow
@pytest.mark.usefixtures("unprobed")
def test_videos_show_the_very_episodes_that_were_counted(store: Store, tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    if rendering.probe_rendering() is None:
        pytest.skip(rendering.INSTALL_HINT)
    agent, reporter = make_agent(store, pendulum_recipe()), HeardReporter()
    request = drawn_request(agent, tmp_path)
    files = video.record_videos(request, reporter)
    assert [file.name for file in files] == ["sampled-1000-0.mp4", "sampled-1000-1.mp4"], reporter.heard
    counted = rollout(
        TypeAdapter(EnvSection).validate_python(request.env),
        load_decoder(Path(request.decoder)),
        load_policy(Path(request.policy), request.kind),
        RolloutSettings(2, request.seed, processes=False),
        SilentReporter(),
    )
    frames = [imageio_ffmpeg.count_frames_and_secs(str(file))[0] for file in files]
    assert frames == [result.length + 1 for result in counted]


def test_a_stage_keeps_the_videos_of_its_first_policy(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spirl_cli.stages import evaluate as stage

    def draw(request: video.VideoRequest, *arguments: Any, **options: Any) -> list[Path]:
        path = request.path(0)
        path.parent.mkdir()
        path.write_bytes(b"movie")
        return [path]

    monkeypatch.setattr(stage, "record_videos", draw)
    recipe = pendulum_recipe(evaluate={"video_episodes": 1, "policies": ["mean"], "snapshots": False})
    result = execute(evaluation_context(tmp_path / "run", recipe, {"agent": make_agent(store, recipe)}))
    assert "videos" in result.keep
    assert (tmp_path / "run" / "videos" / "mean-1000-0.mp4").is_file()


# --- datasets


def test_episodes_become_a_dataset_that_extract_reads(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    agent = make_agent(store, pendulum_recipe())
    context, _ = evaluate(store, tmp_path, agent, save_dataset="mine/pendulum-v0")
    returns = [result.return_ for result in read_episodes(context.folder / "episodes.csv")[0].episodes]
    recorded = minari.load_dataset("mine/pendulum-v0")
    assert [episode.rewards.sum() for episode in recorded] == pytest.approx(returns)
    assert {len(episode.actions) for episode in recorded} == {22}
    from spirl_cli.demos.source import open_demonstrations

    section = pendulum_recipe(extract={"dataset": "mine/pendulum-v0", "observation": [{}]}).extract
    assert [episode.observations.shape for episode in open_demonstrations(section)] == [(23, 3)] * 5
    with pytest.raises(UsageError, match="already"):
        evaluate(store, tmp_path, agent, "again", save_dataset="mine/pendulum-v0")
    with pytest.raises(UsageError, match="no Minari dataset id"):
        evaluate(store, tmp_path, agent, "bad", save_dataset="not an id")
