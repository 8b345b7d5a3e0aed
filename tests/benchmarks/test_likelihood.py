"""Held-out log-likelihoods of priors as a command over artifacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import likelihood
from spirl_cli.evaluation.results import read_rows
from tests.support.commands import MakeWorkspace


def test_rows_of_priors_are_published_beside_others(
    workspace: MakeWorkspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = workspace("clips", "skills", "prior").folder / "artifacts"
    results = tmp_path / "results.json"
    arguments = ["swing/prior", "--artifacts", str(place), "--results", str(results)]
    assert likelihood.main(arguments) == 0 and likelihood.main(arguments) == 0
    (row,) = read_rows(results)
    assert (row.env, row.method, row.metric, row.env_steps) == ("Pendulum-v1", "prior-gaussian", "log_likelihood", 0)
    assert row.interval == "unknown: all values are equal"  # there is one held-out demonstration
    assert row.low <= row.mean <= row.high and row.episodes == 1 and row.data == "test/pendulum-v0"
    manifest = json.loads(next(place.glob("swing/prior/v001-*/manifest.json")).read_text())
    assert row.mean == pytest.approx(manifest["metrics"]["validation/log_likelihood"], abs=0.3)
    assert "swing/prior prior-gaussian" in capsys.readouterr().out


def test_a_prior_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert likelihood.main(["swing/prior", "--artifacts", str(tmp_path)]) != 0
    assert "swing/prior" in capsys.readouterr().err
