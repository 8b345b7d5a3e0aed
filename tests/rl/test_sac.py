"""SAC with a skill prior: its objective, its temperature, its bounds on values, its squashed skills."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spirl_cli.inference.densities import squash as numpy_squash
from spirl_cli.rl.replay import Batch
from spirl_cli.rl.squash import log_det_squash, squash
from tests.support.rl_data import BATCH, LATENT, STATE, make_batch, make_sac


class TestObjective:
    def test_policy_starts_as_the_prior(self) -> None:
        sac = make_sac(min_log_sigma=-10.0)
        divergence = sac.choices(torch.randn(BATCH, STATE)).penalty
        torch.testing.assert_close(divergence, torch.zeros(BATCH))

    def test_policy_from_scratch_differs_from_the_prior(self) -> None:
        divergence = make_sac(initial_policy="scratch").choices(torch.randn(BATCH, STATE)).penalty
        assert divergence.min() > 0

    def test_terminal_states_have_no_future(self) -> None:
        torch.testing.assert_close(make_sac().target_value(make_batch(terminal=1.0)), torch.ones(BATCH))

    def test_target_is_the_soft_bellman_backup(self) -> None:
        """y = R + γ·(min_i Q'_i(s', z') − α·D(s')), with the closed-form D."""
        sac, batch = make_sac(initial_policy="scratch", initial_alpha=0.5, discount=0.9), make_batch()
        state = sac.generator.get_state()
        target = sac.target_value(batch)
        sac.generator.set_state(state)
        policy, prior = sac.policy(batch.next_states), sac.prior(batch.next_states)
        latent = policy.sample(sac.generator)
        divergence = policy.kl(prior._replace(log_sigma=prior.log_sigma.clamp(min=-2.0))).sum(-1)
        expected = 1.0 + 0.9 * (sac.target_critics(batch.next_states, latent).min(0).values - 0.5 * divergence)
        torch.testing.assert_close(target, expected.detach())

    @pytest.mark.parametrize(("divergence", "rises"), [(9.0, True), (1.0, False)])
    def test_alpha_rises_above_the_target_divergence_and_falls_below(self, divergence: float, rises: bool) -> None:
        sac = make_sac(target_divergence=5.0)
        sac.alpha_loss(torch.tensor(divergence)).backward()
        assert sac.log_alpha.grad is not None
        assert (float(sac.log_alpha.grad) < 0) == rises  # a step goes against the gradient

    def test_a_rate_of_zero_keeps_alpha(self) -> None:
        sac = make_sac(alpha_learning_rate=0.0)
        sac.update(make_batch())
        assert float(sac.alpha.detach()) == pytest.approx(sac.section.initial_alpha)

    def test_plain_sac_uses_minus_the_action_dimension_as_target_entropy(self) -> None:
        assert make_sac(regularizer="entropy").target_penalty == LATENT
        assert make_sac(regularizer="entropy", target_entropy=-7.0).target_penalty == 7.0

    def test_clamp_spares_the_policy_gradient(self) -> None:
        """Far from the prior the policy must still be pulled back; the published clamp forgets it."""
        pulls = []
        for clamp in (False, True):
            sac = make_sac(initial_alpha=1.0, max_gradient_norm=None, parity={"clamp_policy_divergence": clamp})
            with torch.no_grad():
                sac.policy.network[-1].bias[:LATENT] += 1000.0
                for parameter in sac.critics.parameters():
                    parameter.zero_()
            sac.policy_loss(make_batch())[0].backward()
            pulls.append(float(sac.policy.network[-1].bias.grad[:LATENT].abs().sum()))  # type: ignore[union-attr]
        assert pulls[0] > 0 and pulls[1] == 0

    def test_prior_and_targets_are_not_trained(self) -> None:
        sac = make_sac()
        prior = [p.clone() for p in sac.prior.parameters()]
        targets = [p.clone() for p in sac.target_critics.parameters()]
        sac.update(make_batch())
        assert all(torch.equal(a, b) for a, b in zip(prior, sac.prior.parameters(), strict=True))
        rate = sac.section.target_rate
        for old, new, online in zip(targets, sac.target_critics.parameters(), sac.critics.parameters(), strict=True):
            torch.testing.assert_close(new, (1 - rate) * old + rate * online)

    def test_critics_learn_the_value_of_terminal_rewards(self) -> None:
        sac = make_sac(critic_learning_rate=1e-2)
        for _ in range(300):
            sac.update(make_batch(terminal=1.0, reward=3.0))
        batch = make_batch()
        assert sac.critics(batch.states, batch.latents).mean().item() == pytest.approx(3.0, abs=0.1)

    def test_policy_finds_the_better_skill_within_the_divergence(self) -> None:
        """Reward −(z₀ − 2)²: the policy moves towards 2, about as far as δ allows."""
        rates = {"critic_learning_rate": 3e-3, "policy_learning_rate": 3e-3, "alpha_learning_rate": 3e-2}
        sac = make_sac(target_divergence=0.5, initial_alpha=0.5, min_log_sigma=-10.0, **rates)
        generator = torch.Generator().manual_seed(5)
        for _ in range(600):
            states = torch.randn(64, STATE, generator=generator)
            latents = torch.from_numpy(sac.act(states.numpy()))
            rewards = -(latents[:, 0] - 2.0).square()
            sac.update(Batch(states, latents, rewards, states, torch.ones(64)))
        states = torch.randn(256, STATE)
        moved = (sac.policy(states).mean - sac.prior(states).mean)[:, 0].mean()
        divergence = sac.choices(states).penalty
        assert moved > 0.3
        assert 0.1 < divergence.mean() < 1.5


class TestSquash:
    @pytest.mark.parametrize("kind", ["none", "tanh", "consistent-tanh"])
    def test_density_correction_against_finite_differences(self, kind: str) -> None:
        u = torch.linspace(-3, 3, 13, dtype=torch.float64).unsqueeze(1)
        slope = (squash(u + 1e-6, kind) - squash(u - 1e-6, kind)) / 2e-6
        torch.testing.assert_close(
            log_det_squash(u, kind), slope.log().squeeze(1), atol=1e-6, rtol=1e-5, check_dtype=False
        )

    @pytest.mark.parametrize("kind", ["none", "tanh", "consistent-tanh"])
    def test_numpy_and_torch_agree(self, kind: str) -> None:
        u = torch.linspace(-3, 3, 13)
        np.testing.assert_allclose(numpy_squash(u.numpy(), kind), squash(u, kind).numpy(), rtol=1e-6)

    def test_gain_around_zero(self) -> None:
        small = torch.tensor([1e-4])
        assert squash(small, "tanh").item() == pytest.approx(2e-4, rel=1e-3)
        assert squash(small, "consistent-tanh").item() == pytest.approx(1e-4, rel=1e-3)


def test_values_never_exceed_what_can_be_earned() -> None:
    free = make_sac(discount=0.9)
    bounded = make_sac(discount=0.9, max_reward=3.0, reward_scale=0.5)
    assert free.largest_value == math.inf
    assert bounded.largest_value == pytest.approx(3.0 * 0.5 / 0.1)
    huge = make_batch(reward=1e3)
    assert float(free.target_value(huge).min()) > 900
    torch.testing.assert_close(bounded.target_value(huge), torch.full((BATCH,), bounded.largest_value))


def test_values_are_no_lower_than_what_was_earned() -> None:
    sac, batch = make_sac(), make_batch(reward=1.0, terminal=1.0)
    earned = torch.linspace(-1.0, 4.0, BATCH)
    target = sac.target_value(batch._replace(returns=earned))
    torch.testing.assert_close(target, earned.clamp(min=1.0))  # at an end the value is the reward itself


def test_alpha_never_falls_below_its_bound() -> None:
    sac = make_sac(initial_alpha=0.02, min_alpha=0.0199, alpha_learning_rate=0.1)
    for _ in range(5):  # the policy stays close to the prior, which makes alpha fall
        sac.update(make_batch())
    assert sac.alpha.item() == pytest.approx(0.0199)


class TestPrecision:
    def test_bfloat16_critics_learn_nearly_the_same(self) -> None:
        exact, rough = (make_sac(precision=one) for one in (None, "bfloat16"))
        for _ in range(20):
            theirs, ours = exact.update(make_batch()), rough.update(make_batch())
        assert theirs["critic_loss"] != ours["critic_loss"]
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name], value, rtol=0.05, atol=0.02)

    def test_values_and_weights_stay_float32(self) -> None:
        sac, batch = make_sac(precision="bfloat16"), make_batch()
        _, values = sac.critic_loss(batch)
        assert values.dtype == torch.float32 and sac.target_value(batch).dtype == torch.float32
        sac.update(batch)
        for parameter in (*sac.critics.parameters(), *sac.policy.parameters()):
            assert parameter.dtype == torch.float32
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all()


class TestNotedPrior:
    def test_it_does_not_depend_on_how_many_are_asked_for(self) -> None:
        sac = make_sac(latent_dim=5)
        states = np.random.default_rng(0).standard_normal((100, STATE), np.float32)
        whole = sac.prior_numbers(states)
        assert whole.shape == (100, 10)
        parts = [sac.prior_numbers(states[first : first + 7]) for first in range(0, 100, 7)]
        assert np.array_equal(np.concatenate(parts), whole)
        density = sac.prior_density(torch.from_numpy(states))
        torch.testing.assert_close(torch.from_numpy(whole), torch.cat(density, dim=-1))

    def test_losses_are_those_of_the_prior_itself(self) -> None:
        noted, plain, batch = make_sac(), make_sac(), make_batch()
        both = (torch.from_numpy(noted.prior_numbers(part.numpy())) for part in (batch.states, batch.next_states))
        known = batch._replace(**dict(zip(("priors", "next_priors"), both, strict=True)))
        theirs, ours = plain.update(batch), noted.update(known)
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name], value)

    def test_it_is_noted_for_gaussian_priors_that_are_needed(self) -> None:
        assert make_sac().notes_prior and not make_sac(regularizer="entropy").notes_prior
