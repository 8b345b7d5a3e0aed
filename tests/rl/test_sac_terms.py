"""The terms of Algorithm 1, each beside its equation."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.replay import Batch
from spirl_cli.rl.sac import SAC
from spirl_cli.rl.squash import log_det_squash, squash
from spirl_cli.skills.mixture import MixtureNetwork
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, PriorNetwork, PriorShape
from spirl_cli.skills.vision import Perception

STATE, LATENT, BATCH, COMPONENTS = 4, 2, 8, 3


def make_sac(**changes: Any) -> SAC:
    """A learner whose policy is not its prior, with a mixture as both where the recipe asks for it."""
    torch.manual_seed(0)
    normalizer, shape = Normalizer.identity(STATE), PriorShape(LATENT, width=16, depth=1)
    prior: PriorNetwork = GaussianNetwork(normalizer, shape)
    if changes.get("policy_family") == "mixture":
        prior = MixtureNetwork(normalizer, shape, Perception(STATE), COMPONENTS)
    section = TrainRLSection.model_validate({"critic_width": 16, "batch_size": BATCH, "initial_alpha": 0.3, **changes})
    sac = SAC(section, prior, LATENT, torch.Generator().manual_seed(0))
    with torch.no_grad():
        sac.policy.network[-1].bias += 0.2  # type: ignore[union-attr, operator]
    return sac


def make_batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    states, next_states = torch.randn(2, BATCH, STATE, generator=generator)
    latents, rewards = torch.randn(BATCH, LATENT, generator=generator), torch.randn(BATCH, generator=generator)
    return Batch(states, latents, rewards, next_states, torch.tensor([0.0, 1.0]).repeat(BATCH // 2))


def again(sac: SAC, generator_state: torch.Tensor) -> None:
    """Let the next samples be the same as after this state."""
    sac.generator.set_state(generator_state)


@pytest.mark.parametrize("family", [None, "mixture"])
def test_choices_are_one_of_every_component_or_one_of_all(family: str | None) -> None:
    sac, states = make_sac(policy_family=family), make_batch().states
    every, one = sac.choices(states), sac.sampled_choice(states)
    components = COMPONENTS if family == "mixture" else 1
    assert every.latents.shape == (components, BATCH, LATENT) and one.latents.shape == (1, BATCH, LATENT)
    torch.testing.assert_close(every.weights.sum(0), torch.ones(BATCH))
    torch.testing.assert_close(one.weights, torch.ones(1, BATCH))
    values = torch.arange(float(components)).unsqueeze(1).expand(-1, BATCH)
    torch.testing.assert_close(every.expected(values), (every.weights * values).sum(0))


def test_the_penalty_is_the_divergence_from_the_prior() -> None:
    sac, states = make_sac(), make_batch().states
    policy, prior = sac.policy_density(states), sac.prior_density(states)
    torch.testing.assert_close(sac.choices(states).penalty, sac.divergence(policy, prior))
    torch.testing.assert_close(sac.divergence(policy, prior), policy.kl(prior).sum(-1))  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize("kind", ["none", "consistent-tanh"])
def test_the_penalty_of_plain_sac_is_the_density_of_the_squashed_skill(kind: str) -> None:
    """log π(z|s) = log π(u|s) − log |dz/du| with z = squash(u)."""
    sac, states = make_sac(regularizer="entropy", squash=kind), make_batch().states
    before = sac.generator.get_state()
    choice = sac.sampled_choice(states)
    again(sac, before)
    policy = sac.policy_density(states)
    unsquashed = policy.sample(sac.generator)
    torch.testing.assert_close(choice.latents[0], squash(unsquashed, kind))
    torch.testing.assert_close(choice.penalty, policy.log_prob(unsquashed) - log_det_squash(unsquashed, kind))


@pytest.mark.parametrize("family", [None, "mixture"])
def test_target_value(family: str | None) -> None:
    """y = R + (1 − done)·γ·[min_i Q'_i(s', z') − α·D(s')]."""
    sac, batch = make_sac(policy_family=family, discount=0.9), make_batch()
    before = sac.generator.get_state()
    target = sac.target_value(batch)
    again(sac, before)
    choice = sac.sampled_choice(batch.next_states)
    future = sac.target_critics(batch.next_states, choice.latents[0]).amin(0) - 0.3 * choice.penalty
    expected = batch.rewards + torch.tensor([0.9, 0.0]).repeat(BATCH // 2) * future
    torch.testing.assert_close(target, expected.detach())
    assert not target.requires_grad


def test_critic_loss() -> None:
    """L_Q = Σ_i ½·mean (Q_i(s, z) − y)²."""
    sac, batch = make_sac(), make_batch()
    before = sac.generator.get_state()
    loss, values = sac.critic_loss(batch)
    again(sac, before)
    errors = sac.critics(batch.states, batch.latents) - sac.target_value(batch)
    torch.testing.assert_close(loss, sum(0.5 * error.square().mean() for error in errors))
    torch.testing.assert_close(values, sac.critics(batch.states, batch.latents))
    loss.backward()
    assert all(weight.grad is not None for weight in sac.critics.parameters())
    assert all(weight.grad is None for weight in [*sac.policy.parameters(), *sac.target_critics.parameters()])


@pytest.mark.parametrize("family", [None, "mixture"])
def test_policy_loss(family: str | None) -> None:
    """L_π = mean [−min_i Q_i(s, z) + α·D(s)]."""
    sac, batch = make_sac(policy_family=family), make_batch()
    before = sac.generator.get_state()
    loss, penalty = sac.policy_loss(batch)
    again(sac, before)
    choices = sac.choices(batch.states)
    values = torch.stack([sac.critics(batch.states, each).amin(0) for each in choices.latents])
    torch.testing.assert_close(loss, (0.3 * choices.penalty - choices.expected(values)).mean())
    torch.testing.assert_close(penalty, choices.penalty)
    loss.backward()
    assert any(weight.grad is not None for weight in sac.policy.parameters())
    assert all(weight.grad is None for weight in [*sac.critics.parameters(), sac.log_alpha])
    assert all(weight.requires_grad for weight in sac.critics.parameters())


@pytest.mark.parametrize("penalty", [1.0, 9.0])
def test_alpha_loss(penalty: float) -> None:
    """L_α = α·(δ − D)."""
    sac = make_sac(target_divergence=5.0)
    loss = sac.alpha_loss(torch.tensor(penalty))
    torch.testing.assert_close(loss, torch.tensor(0.3 * (5.0 - penalty)))
    loss.backward()
    torch.testing.assert_close(sac.log_alpha.grad, torch.tensor(0.3 * (5.0 - penalty)))


@pytest.mark.parametrize("kind", ["none", "tanh", "consistent-tanh"])
def test_the_density_correction_stays_on_the_device(kind: str) -> None:
    sample = torch.zeros(3, BATCH, LATENT, device="meta")
    assert log_det_squash(sample, kind).device == sample.device
