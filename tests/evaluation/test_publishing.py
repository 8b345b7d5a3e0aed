"""Several seeds joined into one row, and the published tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.aggregate import aggregate
from spirl_cli.evaluation.results import read_rows
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.agent_data import make_agent, pendulum_recipe
from tests.support.evaluation_data import RESULT_FIELDS, evaluate
from tests.support.result_rows import make_row


def commit_evaluation(store: Store, tmp_path: Path, seed: int) -> Artifact:
    agent = make_agent(store, pendulum_recipe(), fingerprint=f"{seed:012x}", seed=seed)
    context, result = evaluate(store, tmp_path, agent, f"evaluation{seed}")
    with open_run(store, "pendulum", "evaluation", f"{seed:012x}") as run:
        for name in result.keep:
            (context.folder / name).rename(run.folder / name)
        inputs = {"agent": agent.as_input()}
        parameters = {"env": context.recipe.env.model_dump(mode="json")}
        return run.commit(stage_version=1, parameters=parameters, inputs=inputs, seed=seed, keep=result.keep)


def test_seeds_are_joined_into_one_row_per_condition(store: Store, tmp_path: Path) -> None:
    first, second = (commit_evaluation(store, tmp_path, seed) for seed in (1, 2))
    rows = aggregate([first, second], command="make results", resamples=500)
    singles = [read_rows(artifact.file("results.json")) for artifact in (first, second)]
    assert len(rows) == len(singles[0]) == 3
    for row, *own in zip(rows, *singles, strict=True):
        assert row.identity == own[0].identity
        assert row.mean == pytest.approx(np.mean([one.mean for one in own]))
        assert row.low <= row.mean <= row.high
        assert (row.seeds, row.episodes, row.command) == (2, 10, "make results")
        assert (own[0].interval, row.interval) == (
            "95 % Student's t",
            "95 % bootstrap over seeds and episodes, widened to 95 % Student's t",
        )
    with pytest.raises(ArtifactError, match="same weights"):
        aggregate([first, first], command="")
    with pytest.raises(ArtifactError, match="no evaluation"):
        aggregate([], command="")


def test_rows_that_are_older_than_a_field_are_read(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    old = {name: value for name, value in asdict(make_row()).items() if name in RESULT_FIELDS.split()[:17]}
    path.write_text(json.dumps([old]))
    assert read_rows(path) == [make_row()] and make_row().interval is None


@pytest.mark.parametrize("field", ["task", "condition", "study", "cell"])
def test_rows_of_other_tasks_and_cells_are_about_different_things(field: str) -> None:
    assert make_row(**{field: "other"}).identity != make_row().identity == make_row(interval="exact").identity


def test_rows_with_other_fields_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{**asdict(make_row()), "peak": 3.0}]))
    with pytest.raises(ArtifactError, match=r"results\.json"):
        read_rows(path)
