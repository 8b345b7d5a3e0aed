"""Bootstrap intervals and rates of subtasks."""

from __future__ import annotations

import numpy as np
import pytest

from spirl_cli.evaluation.statistics import bootstrap_mean, metric_rates


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
