"""Held-out log-likelihoods of priors, by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from spirl_cli.skills.likelihood import held_out_log_likelihoods
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import StandardNormal
from tests.support.clip_data import make_clips


def test_it_is_the_mean_over_the_windows_of_each_held_out_demonstration(tmp_path: Path) -> None:
    """Skills are single actions a here, so that log N(a; 0, I) is known; actions equal their states."""
    clips = make_clips(tmp_path / "clips.h5", state_dim=3, action_dim=2, horizon=1)
    prior = StandardNormal(Normalizer.identity(3), 2)
    found = held_out_log_likelihoods(prior, clips, None)
    starts = clips.starts("validation")
    actions = clips.states(starts)[:, :2].astype(np.float64)
    each = -0.5 * (actions**2).sum(1) - math.log(2 * math.pi)
    expected = [each[clips.episode_of(starts) == episode].mean() for episode in np.unique(clips.episode_of(starts))]
    assert len(found) == 2
    np.testing.assert_allclose(found, expected, atol=1e-4)
