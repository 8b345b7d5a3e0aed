"""Held-out log-likelihoods of priors: by hand, and as a command over artifacts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import likelihood
from spirl_cli.evaluation.results import read_rows
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import StandardNormal
from tests.support.clip_data import make_clips
from tests.support.commands import MakeWorkspace


def test_it_is_the_mean_over_the_windows_of_each_held_out_demonstration(tmp_path: Path) -> None:
    """Skills are single actions a here, so that log N(a; 0, I) is known; actions equal their states."""
    clips = make_clips(tmp_path / "clips.h5", state_dim=3, action_dim=2, horizon=1)
    prior = StandardNormal(Normalizer.identity(3), 2)
    found = likelihood.held_out_log_likelihoods(prior, clips, None)
    starts = clips.starts("validation")
    actions = clips.states(starts)[:, :2].astype(np.float64)
    each = -0.5 * (actions**2).sum(1) - math.log(2 * math.pi)
    expected = [each[clips.episode_of(starts) == episode].mean() for episode in np.unique(clips.episode_of(starts))]
    assert len(found) == 2
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_rows_of_priors_are_published_beside_others(
    workspace: MakeWorkspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = workspace("clips", "skills", "prior").folder / "artifacts"
    results = tmp_path / "results.json"
    arguments = ["swing/prior", "--artifacts", str(place), "--results", str(results)]
    assert likelihood.main(arguments) == 0 and likelihood.main(arguments) == 0
    (row,) = read_rows(results)
    assert (row.env, row.method, row.metric, row.env_steps) == ("Pendulum-v1", "prior-gaussian", "log_likelihood", 0)
    assert row.low <= row.mean <= row.high and row.episodes == 1 and row.data == "test/pendulum-v0"
    manifest = json.loads(next(place.glob("swing/prior/v001-*/manifest.json")).read_text())
    assert row.mean == pytest.approx(manifest["metrics"]["validation/log_likelihood"], abs=0.3)
    assert "swing/prior prior-gaussian" in capsys.readouterr().out


def test_a_prior_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert likelihood.main(["swing/prior", "--artifacts", str(tmp_path)]) != 0
    assert "swing/prior" in capsys.readouterr().err
