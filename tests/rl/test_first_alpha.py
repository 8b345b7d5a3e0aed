"""The first temperature, found from the values of critics that have learned before the policy does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.watch import Watch
from tests.support.rl_data import LATENT, make_batch, make_learning, make_sac
from tests.support.tensors import equal, weights


class Linear(nn.Module):
    """Two critics with Q(s, z) = w·z, whatever the state."""

    def __init__(self, weight: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, states: Tensor, latents: Tensor) -> Tensor:
        return (latents @ self.weight).expand(2, *latents.shape[:-1])


def test_it_makes_the_best_policy_delta_nats_from_the_prior() -> None:
    """For a Gaussian prior and Q = w·z, p·exp(Q/α) is the prior moved by σ²w/α: a divergence of |σw|²/2α² exactly."""
    sac, weight = make_sac(initial_alpha="auto", target_divergence=3.0), [4.0, -1.0]
    sac.critics = Linear(weight)  # type: ignore[assignment]
    batch = make_batch()
    many = batch._replace(states=batch.states.repeat(400, 1))
    sac.find_alpha(many)
    sigma = sac.prior_density(batch.states).log_sigma.exp()  # type: ignore[union-attr]
    variance = (sigma * torch.tensor(weight)).square().sum(-1).mean()
    assert float(variance / (2 * sac.alpha.detach() ** 2)) == pytest.approx(3.0, rel=0.05)


def test_values_a_thousand_times_as_large_give_an_alpha_a_thousand_times_as_large() -> None:
    found = []
    for scale in (1.0, 1000.0):
        sac = make_sac(initial_alpha="auto")
        sac.critics = Linear([scale, scale])  # type: ignore[assignment]
        sac.find_alpha(make_batch())
        found.append(float(sac.alpha.detach()))
    assert found[1] == pytest.approx(1000 * found[0], rel=1e-4)


def test_critics_that_tell_no_skill_from_another_leave_alpha_positive() -> None:
    sac = make_sac(initial_alpha="auto")
    sac.critics = Linear([0.0] * LATENT)  # type: ignore[assignment]
    sac.find_alpha(make_batch())
    assert 0 < float(sac.alpha.detach()) < 1e-3


def test_a_policy_waits_while_only_critics_learn() -> None:
    sac = make_sac()
    policy, critics = weights(sac.policy), weights(sac.critics)
    losses = sac.update(make_batch(), critics_only=True)
    assert equal(weights(sac.policy), policy) and not equal(weights(sac.critics), critics)
    assert float(losses["penalty"]) == pytest.approx(0.0, abs=1e-5)
    assert float(sac.alpha.detach()) == pytest.approx(0.02)


def test_the_loop_finds_alpha_when_the_critics_have_warmed_up() -> None:
    learning = make_learning(initial_alpha="auto", critic_warmup=4)
    policy = weights(learning.sac.policy)
    while learning.updates < 4:
        learning.round()
    assert float(learning.sac.alpha.detach()) == pytest.approx(0.02) and equal(weights(learning.sac.policy), policy)
    while learning.updates < 5:
        learning.round()
    assert float(learning.sac.alpha.detach()) != pytest.approx(0.02, rel=0.01)
    assert not equal(weights(learning.sac.policy), policy)


def test_without_a_prior_there_is_no_alpha_to_find() -> None:
    learning = make_learning(initial_alpha="auto", regularizer="entropy", alpha_learning_rate=0.0)
    while not learning.updates:
        learning.round()
    assert float(learning.sac.alpha.detach()) == pytest.approx(0.02)


def test_alpha_is_watched_from_where_it_was_found() -> None:
    """A found alpha of 2 that stays is no sign; one that grows to 25 times as much is."""
    section = TrainRLSection(initial_alpha="auto", critic_warmup=100)
    row = {"learner/alpha": 2.0, "learner/updates": 200.0}
    before = [{"step": 0.0, "learner/alpha": 0.02, "learner/updates": 50.0}]
    steady = [{"step": float(step), **row} for step in range(1, 30)]
    rising = [{**one, "learner/alpha": 2.0 * 1.2 ** one["step"]} for one in steady]
    assert "alpha" not in Watch(section, before + steady).said
    assert "alpha" in Watch(section, before + rising).said
