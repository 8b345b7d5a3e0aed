"""The evaluation stage: its numbers, its figure, its data set, and how it goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spirl_cli.errors import ArtifactError, Interrupted, UsageError
from spirl_cli.evaluation.episodes import read_episodes
from spirl_cli.evaluation.results import read_rows
from spirl_cli.evaluation.rollouts import rollout
from spirl_cli.inference.policies import MeanPolicy
from spirl_cli.stages.evaluate import execute
from spirl_cli.store.store import Store
from tests.support.agent_data import evaluation_context, make_agent, make_skills_and_prior, pendulum_recipe
from tests.support.evaluation_data import RESULT_FIELDS, evaluate


def test_an_evaluation_writes_numbers_and_a_figure(store: Store, tmp_path: Path) -> None:
    context, result = evaluate(store, tmp_path, make_agent(store, pendulum_recipe()))
    assert set(result.keep) == {"episodes.csv", "results.json", "yardsticks.csv", "learning_curve.png"}
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
    from tests.support.demos_data import open_demonstrations

    section = pendulum_recipe(extract={"dataset": "mine/pendulum-v0", "observation": [{}]}).extract
    assert [episode.observations.shape for episode in open_demonstrations(section)] == [(23, 3)] * 5
    with pytest.raises(UsageError, match="already"):
        evaluate(store, tmp_path, agent, "again", save_dataset="mine/pendulum-v0")
    with pytest.raises(UsageError, match="no Minari dataset id"):
        evaluate(store, tmp_path, agent, "bad", save_dataset="not an id")
