"""Means and rates with intervals: of one seed and several, of many, few and equal episodes."""

from __future__ import annotations

import numpy as np
import pytest

from spirl_cli.evaluation.statistics import (
    RATE,
    UNKNOWN,
    Estimate,
    difference,
    estimate,
    interquartile_mean,
    interval_text,
    is_below,
    metric_rates,
)


def covers(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


def test_bootstrap_of_one_group_is_that_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    found = estimate([values])
    assert found.mean == pytest.approx(values.mean())
    half_width = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - half_width, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half_width, abs=0.03)
    assert found == estimate([values]) and found.interval == "95 % bootstrap over episodes"


def test_bootstrap_over_seeds_is_as_wide_as_seeds_differ() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, size=100)
    alike, apart = estimate([noise, noise, noise]), estimate([noise - 1, noise, noise + 1])
    assert alike.mean == pytest.approx(apart.mean)
    assert apart.high - apart.low > 10 * (alike.high - alike.low)


def test_every_seed_weighs_the_same() -> None:
    assert estimate([[0.0] * 300, [1.0] * 100]).mean == pytest.approx(0.5)


@pytest.mark.parametrize("groups", [[], [[]], [[1.0], []]])
def test_nothing_has_no_interval(groups: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        estimate(groups)


class TestRates:
    def test_four_of_four_is_not_certain(self) -> None:
        found = estimate([[1.0] * 4], RATE)
        assert (found.mean, found.high, found.interval) == (1.0, 1.0, "95 % Wilson")
        assert found.low == pytest.approx(0.5101, abs=1e-4)  # as in Brown, Cai and DasGupta 2001

    def test_a_known_interval_of_wilson(self) -> None:
        found = estimate([[1.0] * 15 + [0.0] * 133], RATE)
        assert (found.low, found.high) == (pytest.approx(0.0624, abs=1e-4), pytest.approx(0.1605, abs=1e-4))

    @pytest.mark.parametrize(("rate", "count"), [(0.9, 5), (0.97, 20), (0.4, 10), (0.4, 100)])
    def test_it_covers_the_truth_about_as_often_as_it_says(self, rate: float, count: int) -> None:
        rng = np.random.default_rng(1)
        covered = [covers(estimate([rng.binomial(1, rate, size=count)], RATE), rate) for _ in range(400)]
        assert np.mean(covered) > 0.9

    def test_seeds_that_all_succeed_are_no_more_certain_than_their_episodes(self) -> None:
        found = estimate([[1.0] * 100] * 3, RATE)
        assert found.low == pytest.approx(1 - 3.8415 / 303.8415, abs=1e-4) and found.high == 1.0

    def test_seeds_that_differ_keep_the_interval_over_seeds(self) -> None:
        groups = [[1.0] * 90 + [0.0] * 10, [1.0] * 30 + [0.0] * 70, [1.0] * 60 + [0.0] * 40]
        found = estimate(groups, RATE)
        assert found.interval == "95 % bootstrap over seeds and episodes" and found.high - found.low > 0.4

    def test_rates_of_subtasks(self) -> None:
        rates = metric_rates([{"kettle": 1.0, "microwave": 0.0}, {"kettle": 1.0, "microwave": 1.0}])
        assert rates["microwave"].mean == 0.5 and rates["microwave"].interval == "95 % Wilson"
        assert rates["kettle"].mean == 1.0


class TestFewAndEqual:
    @pytest.mark.parametrize("count", [3, 8, 20])
    def test_few_values_cover_the_truth_where_the_bootstrap_does_not(self, count: int) -> None:
        rng = np.random.default_rng(2)
        found = [estimate([rng.normal(size=count)]) for _ in range(400)]
        assert {one.interval for one in found} == {"95 % Student's t"}
        assert 0.92 < np.mean([covers(one, 0.0) for one in found]) < 0.98

    def test_the_range_limits_the_interval(self) -> None:
        found = estimate([[4.0] * 9 + [3.0]], (0.0, 4.0))
        assert found.high == 4.0 and found.low < 3.8

    def test_equal_values_of_a_known_range_have_a_width(self) -> None:
        found = estimate([[4.0] * 100], (0.0, 4.0))
        assert (found.mean, found.high) == (4.0, 4.0) and found.low == pytest.approx(4 - 4 * 0.037, abs=1e-3)

    def test_equal_values_of_an_unknown_range_say_nothing(self) -> None:
        found = estimate([[-7.0] * 5])
        assert found == Estimate(-7.0, -7.0, -7.0, UNKNOWN) and interval_text(found) == "[?, all equal]"
        assert not is_below(found, estimate([[1.0, 2.0, 3.0]]))

    def test_a_range_that_is_not_kept_is_no_range(self) -> None:
        assert estimate([[5.0] * 5], (0.0, 4.0)).interval == UNKNOWN


class TestDifferences:
    def test_of_two_rates_is_that_of_newcombe(self) -> None:
        left, right = estimate([[1.0] * 48 + [0.0] * 32], RATE), estimate([[1.0] * 56 + [0.0] * 14], RATE)
        found = difference(left, right)  # 56/70 - 48/80, the example (a) of Newcombe 1998
        assert (found.mean, found.low, found.high) == (
            pytest.approx(0.2),
            pytest.approx(0.0524, abs=1e-4),
            pytest.approx(0.3339, abs=1e-4),
        )

    def test_of_something_unknown_is_unknown(self) -> None:
        assert difference(estimate([[1.0] * 3]), estimate([[1.0, 2.0]])).interval == UNKNOWN


def test_the_interquartile_mean_leaves_a_quarter_out_at_either_end() -> None:
    means = np.array([[9.0], [1.0], [2.0], [3.0]])
    assert interquartile_mean(means)[0] == pytest.approx(2.5)
    assert interquartile_mean(means[:3])[0] == pytest.approx((0.25 * 1 + 2 + 0.25 * 9) / 1.5)
    assert interquartile_mean(means[:1])[0] == 9.0
