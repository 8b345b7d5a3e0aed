"""Several seeds joined into one row, and the published tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tables
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.evaluation.aggregate import aggregate, publish
from spirl_cli.evaluation.results import read_rows
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.agent_data import make_agent, pendulum_recipe
from tests.support.evaluation_data import evaluate, make_row


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


def test_publishing_replaces_the_same_condition_and_sorts(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    publish(path, [make_row(), make_row(env_steps=1_000_000), make_row(order=None)])
    rows = publish(path, [make_row(mean=2.7, high=2.8), make_row(env_steps=50_000)])
    assert read_rows(path) == rows
    in_order = [(one.env_steps, one.mean) for one in rows if one.order]
    assert in_order == [(50_000, 2.5), (200_000, 2.7), (1_000_000, 2.5)]


def test_rows_with_other_fields_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{**asdict(make_row()), "peak": 3.0}]))
    with pytest.raises(ArtifactError, match=r"results\.json"):
        read_rows(path)


def test_data_that_users_cannot_fetch_is_marked() -> None:
    marked = tables.markdown_table([make_row(), make_row(data="D4RL/kitchen/mixed-v2")])
    lines = [line for line in marked.splitlines() if line.startswith("| kitchen")]
    assert "†" in lines[0] and "†" not in lines[1]
    assert "not public" in marked
    assert "3 x 100" in lines[0] and "200,000: **2.50** [2.40, 2.60]" in lines[0]


def test_the_points_of_a_learning_curve_share_a_line() -> None:
    points = [make_row(env_steps=100_000, mean=2.0, low=1.9, high=2.1), make_row(), make_row(policy="mean")]
    first, second = [line for line in tables.markdown_table(points).splitlines() if line.startswith("| kitchen")]
    assert first.endswith("100,000: **2.00** [1.90, 2.10] · 200,000: **2.50** [2.40, 2.60] |")
    assert "| mean |" in second


def test_a_readme_without_markers_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing\n")
    with pytest.raises(UsageError, match="results:begin"):
        tables.update_readme(readme, [make_row()])
