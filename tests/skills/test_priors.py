"""Families of priors: densities, samples, the divergence of an ensemble, and the same numbers in NumPy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spirl_cli.errors import UsageError
from spirl_cli.inference.densities import NumpyEnsemble, NumpyFlow, NumpyMixture, load_density
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.replay import Batch
from spirl_cli.rl.sac import SAC
from spirl_cli.skills.ensemble import Ensemble, EnsembleNetwork
from spirl_cli.skills.export_densities import export_policy, export_prior
from spirl_cli.skills.families import make_prior
from spirl_cli.skills.flow import Flow
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.mixture import MIN_WEIGHT, Mixture, MixtureNetwork
from spirl_cli.skills.model_files import load_prior, save_prior
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import Density, GaussianNetwork, PriorNetwork, StandardNormal
from spirl_cli.skills.prior_training import PriorTrainer
from tests.support.clip_data import make_clips

STATE, LATENT = 4, 2
FAMILIES = ("gaussian", "mixture", "flow", "ensemble")
IMAGE = (16, 16, 3)


def section(family: str, **changes: Any) -> TrainPriorSection:
    return TrainPriorSection.model_validate({"family": family, "width": 16, "depth": 1, **changes})


def make(family: str, latent_dim: int = LATENT, **changes: Any) -> PriorNetwork:
    """An untrained prior; whatever starts at zero is shaken, so that it is no trivial density."""
    torch.manual_seed(3)
    normalizer = Normalizer(torch.randn(STATE), torch.rand(STATE) + 0.5)
    prior = make_prior(section(family, **changes), normalizer, latent_dim, IMAGE if "image" in changes else None)
    with torch.no_grad():
        for weight in prior.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return prior.eval()


def at_one_state(family: str, latent_dim: int = LATENT) -> Density:
    with torch.no_grad():
        return make(family, latent_dim)(torch.linspace(-1, 1, STATE).unsqueeze(0))


def grid(latent_dim: int, bound: float, points: int) -> tuple[Tensor, float]:
    """(N, K) points, and the volume around each."""
    axis = torch.linspace(-bound, bound, points)
    mesh = torch.meshgrid(*[axis] * latent_dim, indexing="ij")
    return torch.stack([part.flatten() for part in mesh], -1), float(axis[1] - axis[0]) ** latent_dim


class TestDensities:
    @pytest.mark.parametrize(("latent_dim", "points"), [(1, 2001), (2, 201)])
    @pytest.mark.parametrize("family", FAMILIES)
    @torch.no_grad()
    def test_they_integrate_to_one_and_samples_follow_them(self, family: str, latent_dim: int, points: int) -> None:
        density = at_one_state(family, latent_dim)
        values, volume = grid(latent_dim, 12.0, points)
        mass = density.log_prob(values.unsqueeze(1))[:, 0].exp() * volume
        assert float(mass.sum()) == pytest.approx(1.0, abs=2e-3)
        prior, generator = make(family, latent_dim), torch.Generator().manual_seed(0)
        samples = prior(torch.linspace(-1, 1, STATE).expand(10_000, -1)).sample(generator)
        assert samples.shape == (10_000, latent_dim)
        for index in range(latent_dim):
            moments = [float((mass * values[:, index] ** power).sum()) for power in (1, 2)]
            sigma = math.sqrt(moments[1] - moments[0] ** 2)
            assert float(samples[:, index].mean()) == pytest.approx(moments[0], abs=0.04 * sigma)
            assert float(samples[:, index].std()) == pytest.approx(sigma, rel=0.04)
            axis, cell = values[:, index].unique(return_inverse=True)
            below = torch.zeros(len(axis)).index_add_(0, cell, mass).cumsum(0).numpy()
            for quantile in (-1.0, 0.0, 1.0):  # the share of all below some point
                edge = moments[0] + quantile * sigma
                expected = float(np.interp(edge, (axis + (axis[1] - axis[0]) / 2).numpy(), below))
                assert float((samples[:, index] <= edge).float().mean()) == pytest.approx(expected, abs=0.02)

    def test_a_mixture_of_one_component_is_a_gaussian(self) -> None:
        gaussian = Gaussian(torch.randn(5, LATENT), torch.randn(5, LATENT))
        mixture = Mixture(torch.zeros(5, 1), Gaussian(gaussian.mean[:, None], gaussian.log_sigma[:, None]))
        values = torch.randn(5, LATENT)
        torch.testing.assert_close(mixture.log_prob(values), gaussian.log_prob(values))

    def test_no_component_of_a_mixture_dies(self) -> None:
        head = torch.tensor([[50.0, -50.0, 0.0, 0.0, 0.0, 0.0]])
        weights = Mixture.from_head(head, 2, -10.0).log_weights.exp()
        assert float(weights[0, 1]) == pytest.approx(MIN_WEIGHT, rel=1e-3)
        assert float(weights.sum()) == pytest.approx(1.0)

    @torch.no_grad()
    def test_a_flow_is_inverted_by_its_inverse_and_starts_as_standard_normal(self) -> None:
        flow = at_one_state("flow", 5)
        assert isinstance(flow, Flow)
        noise = torch.randn(7, 5)
        torch.testing.assert_close(flow.to_noise(flow.from_noise(noise))[0], noise, atol=1e-5, rtol=1e-4)
        torch.manual_seed(0)
        untrained = make_prior(section("flow"), Normalizer.identity(STATE), LATENT)
        values = torch.randn(7, LATENT)
        expected = Gaussian(torch.zeros(7, LATENT), torch.zeros(7, LATENT)).log_prob(values)
        torch.testing.assert_close(untrained(torch.randn(7, STATE)).log_prob(values), expected)

    def test_n01_is_n01(self) -> None:
        values = torch.randn(3, LATENT)
        density = StandardNormal(Normalizer.identity(STATE), LATENT)(torch.randn(3, STATE))
        expected = torch.distributions.Normal(0.0, 1.0).log_prob(values).sum(-1)
        torch.testing.assert_close(density.log_prob(values), expected)


class TestEnsemble:
    @torch.no_grad()
    def test_equal_members_do_not_diverge_and_others_do(self) -> None:
        prior = make("ensemble")
        assert isinstance(prior, EnsembleNetwork)
        states = torch.randn(6, STATE)
        assert float(prior(states).divergence().min()) > 0
        for member in prior.members[1:]:
            member.load_state_dict(prior.members[0].state_dict())
        torch.testing.assert_close(prior(states).divergence(), torch.zeros(6))

    def test_divergence_is_the_mean_over_pairs(self) -> None:
        one, other = (Gaussian(torch.randn(1, LATENT), torch.randn(1, LATENT)) for _ in range(2))
        both = Gaussian(*(torch.stack(parts, 1) for parts in zip(one, other, strict=True)))
        expected = (one.kl(other).sum(-1) + other.kl(one).sum(-1)) / 2
        torch.testing.assert_close(Ensemble(both).divergence(), expected)

    def test_it_grows_away_from_the_training_data(self, tmp_path: Path) -> None:
        trainer = train("ensemble", tmp_path, updates=250)
        states = torch.from_numpy(trainer.clips.states(trainer.clips.starts("validation")))
        with torch.no_grad():
            near, far = (trainer.prior.eval()(states + offset).divergence().mean() for offset in (0.0, 10.0))
        assert far > 3 * near


def train(family: str, folder: Path, updates: int, **changes: Any) -> PriorTrainer:
    """Behaviour cloning on made-up clips, in which the action is part of the state."""
    clips = make_clips(folder / "clips.hdf5", state_dim=STATE, action_dim=LATENT, horizon=1)
    values = {"iterations": 250, "batch_size": 32, "min_log_sigma": -3.0, "learning_rate": 3e-3, **changes}
    trainer = PriorTrainer(section(family, **values), clips, None, Normalizer.identity(STATE), LATENT, seed=0)
    for _ in range(updates):
        trainer.update()
    return trainer


class TestTraining:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_the_likelihood_rises_and_policies_start_near_the_demonstrations(self, family: str, tmp_path: Path) -> None:
        trainer = train(family, tmp_path, updates=0)
        before = trainer.validate()["validation/log_likelihood"]
        for _ in range(250):
            trainer.update()
        figures = trainer.validate()
        assert figures["validation/log_likelihood"] > before + 1
        assert ("validation/divergence" in figures) == (family == "ensemble")
        policy = trainer.prior.as_gaussian()
        states = torch.from_numpy(trainer.clips.states(trainer.clips.starts("validation")))
        with torch.no_grad():
            error = (policy.eval()(states).mean - states[:, :LATENT]).square().mean().sqrt()
        assert error < 0.3

    def test_an_ensemble_learns_from_closed_form_divergences_too(self, tmp_path: Path) -> None:
        first = train("ensemble", tmp_path, updates=1, objective="kl").prior
        assert all(weight.isfinite().all() for weight in first.parameters())

    @pytest.mark.parametrize("family", ["mixture", "flow"])
    def test_a_divergence_without_closed_form_is_refused(self, family: str) -> None:
        with pytest.raises(ValueError, match="objective to nll"):
            section(family, objective="kl")

    def test_sizes_belong_to_the_family_in_use(self) -> None:
        assert section("gaussian").model_dump(exclude_none=True).keys().isdisjoint({"mixture", "flow", "ensemble"})
        assert section("mixture", mixture={"components": 3}).model_dump()["mixture"] == {"components": 3}
        flow = section("flow")
        assert flow.flow is not None and flow.flow.blocks == 6 and flow.ensemble is None


class TestFiles:
    @pytest.mark.parametrize("batch_norm", [False, True])
    @pytest.mark.parametrize("family", FAMILIES)
    def test_saved_priors_come_back(self, family: str, batch_norm: bool, tmp_path: Path) -> None:
        prior = make(family, batch_norm=batch_norm)
        save_prior(tmp_path / "prior", prior, section(family, batch_norm=batch_norm), LATENT)
        loaded, latent_dim = load_prior(tmp_path / "prior")
        states, values = torch.randn(5, STATE), torch.randn(5, LATENT)
        assert latent_dim == LATENT
        with torch.no_grad():
            assert torch.equal(loaded(states).log_prob(values), prior(states).log_prob(values))
            assert torch.equal(loaded.as_gaussian()(states).mean, prior.as_gaussian()(states).mean)

    @pytest.mark.parametrize("image", [None, {"channels": [4, 8], "features": 6}])
    @pytest.mark.parametrize("family", FAMILIES)
    @torch.no_grad()
    def test_numpy_equals_torch(self, family: str, image: dict[str, Any] | None, tmp_path: Path) -> None:
        prior = make(family) if image is None else make(family, image=image, state_indices=["0:2"])
        export_prior(tmp_path / "prior.safetensors", prior)
        exported = load_density(tmp_path / "prior.safetensors")
        observations = torch.randn(6, STATE)
        if image is not None:
            observations = torch.cat([observations, torch.randint(256, (6, math.prod(IMAGE))).float()], dim=1)
        density, raw = prior(observations), observations.numpy()
        if isinstance(density, Mixture):
            assert isinstance(exported, NumpyMixture)
            expected, found = (density.log_weights.exp(), *density.components), exported(raw)
        elif isinstance(density, Ensemble):
            assert isinstance(exported, NumpyEnsemble)
            expected = (*density.members, density.divergence())
            found = (*exported(raw), exported.divergence(raw))
        elif isinstance(density, Flow):
            assert isinstance(exported, NumpyFlow)
            noise = torch.randn(6, LATENT)
            expected, found = (density.from_noise(noise),), (exported.from_noise(raw, noise.numpy()),)
        else:
            assert isinstance(density, Gaussian)
            expected, found = (density.mean,), (np.stack([exported.mean(each) for each in raw]),)
        for ours, theirs in zip(expected, found, strict=True):
            np.testing.assert_allclose(theirs, ours.numpy(), atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("family", FAMILIES)
    @torch.no_grad()
    def test_numpy_samples_follow_the_density(self, family: str, tmp_path: Path) -> None:
        prior, state = make(family), torch.linspace(-1, 1, STATE)
        export_prior(tmp_path / "prior.safetensors", prior)
        exported, rng = load_density(tmp_path / "prior.safetensors"), np.random.default_rng(0)
        ours = np.stack([exported.sample(state.numpy(), rng) for _ in range(1000)])
        theirs = prior(state.expand(10_000, -1)).sample(torch.Generator().manual_seed(0)).numpy()
        spread = theirs.std(0)
        np.testing.assert_allclose(ours.mean(0) / spread, theirs.mean(0) / spread, atol=0.15)
        np.testing.assert_allclose(ours.std(0) / spread, 1, atol=0.15)
        assert exported.mean(state.numpy()).shape == (LATENT,)


def make_sac(family: str = "gaussian", **changes: Any) -> SAC:
    values = {"critic_width": 16, "policy_width": 16, "policy_depth": 1, **changes}
    return SAC(TrainRLSection.model_validate(values), make(family), LATENT, torch.Generator().manual_seed(0))


class TestStrata:
    @pytest.mark.parametrize("family", ["gaussian", "mixture"])
    def test_their_weighted_mean_is_the_expectation_and_so_is_its_gradient(self, family: str) -> None:
        """E[z₀²] of a mixture is Σ w·(μ² + σ²); in closed form and by many samples, with gradients for all."""
        leaves = [torch.randn(3), torch.randn(3, 1), torch.randn(3, 1) / 3]
        if family == "gaussian":
            leaves = [torch.zeros(1), *(leaf[:1] for leaf in leaves[1:])]
        logits, mean, log_sigma = (leaf.requires_grad_() for leaf in leaves)
        weights = logits.softmax(0)
        exact = (weights * (mean.square() + (2 * log_sigma).exp())[:, 0]).sum()
        density = Gaussian(mean[0], log_sigma[0]) if family == "gaussian" else None
        density = density or Mixture(weights.log(), Gaussian(mean, log_sigma))
        shares, samples = density.repeated(100_000).strata(torch.Generator().manual_seed(0))
        assert samples.shape == (len(mean), 100_000, 1)
        found = (shares * samples[..., 0].square()).sum(0).mean()
        torch.testing.assert_close(found, exact, rtol=0.02, atol=0.01)
        parts = [mean, log_sigma] if family == "gaussian" else [logits, mean, log_sigma]
        gradients = (torch.autograd.grad(value, parts, retain_graph=True) for value in (found, exact))
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.02)


class TestReinforcementLearning:
    def test_monte_carlo_divergence_and_its_gradient_are_those_of_the_closed_form(self) -> None:
        states = torch.randn(4, STATE)
        exact, sampled = make_sac(), make_sac(divergence_samples=20_000)
        policy = Gaussian(torch.randn(4, LATENT).requires_grad_(), torch.zeros(4, LATENT).requires_grad_())
        found = [sac.divergence(policy, sac.prior_density(states)) for sac in (exact, sampled)]
        torch.testing.assert_close(found[1], found[0], rtol=0.05, atol=0.05)
        gradients = [torch.autograd.grad(divergence.sum(), list(policy)) for divergence in found]
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.1)

    @pytest.mark.parametrize("start", ["prior", "scratch"])
    @pytest.mark.parametrize("family", FAMILIES)
    def test_every_family_regularises_a_gaussian_policy(self, family: str, start: str) -> None:
        rates = {"critic_learning_rate": 1e-9, "policy_learning_rate": 1e-2, "max_gradient_norm": None}
        sac = make_sac(family, initial_policy=start, initial_alpha=1.0, **rates)
        with torch.no_grad():
            for weight in sac.critics.parameters():
                weight.zero_()  # so that only the prior pulls
            sac.policy.network[-1].bias[:LATENT] += 4.0
        states = torch.randn(16, STATE)
        batch = Batch(states, torch.zeros(16, LATENT), torch.zeros(16), states, torch.ones(16))
        frozen = [weight.clone() for weight in sac.prior.parameters()]
        before = sac.choices(states).penalty.mean().item()
        for _ in range(30):
            figures = sac.update(batch)
        assert isinstance(sac.policy, GaussianNetwork)
        assert sac.choices(states).penalty.mean().item() < before - 0.3
        assert all(torch.equal(a, b) for a, b in zip(frozen, sac.prior.parameters(), strict=True))
        assert ("prior_disagreement" in figures) == (family == "ensemble")

    def test_a_policy_starts_as_the_gaussian_that_stands_for_the_prior(self) -> None:
        states = torch.randn(4, STATE)
        for family in FAMILIES:
            sac = make_sac(family, min_log_sigma=-10.0)
            assert torch.equal(sac.policy(states).mean, sac.prior.as_gaussian()(states).mean)

    def test_a_mixture_policy_starts_as_its_prior_and_shifts_weight_to_the_better_component(self) -> None:
        """Reward 1 where z₀ > 0, which is half of what the prior does; to do nothing else costs log 2 = 0.69 nats."""
        rates = {"critic_learning_rate": 3e-3, "policy_learning_rate": 3e-3, "alpha_learning_rate": 3e-2}
        sac = make_sac("mixture", policy_family="mixture", target_divergence=0.4, min_log_sigma=-10.0, **rates)
        assert isinstance(sac.policy, MixtureNetwork)
        with torch.no_grad():  # two narrow components in 2 and −2, alike in weight; the others are negligible
            for network in (sac.prior.network, sac.policy.network):
                head = network[-1]
                head.weight.zero_()
                logits, components = head.bias[:5], head.bias[5:].view(5, 2 * LATENT)
                logits.copy_(torch.tensor([5.0, 5.0, -9.0, -9.0, -9.0]))
                components.zero_()
                components[:, LATENT:] = -1.0
                components[0, 0], components[1, 0] = 2.0, -2.0
        states = torch.randn(64, STATE)
        assert sac.choices(states).penalty.abs().max() < 1e-4
        for _ in range(300):
            latents = torch.from_numpy(sac.act(states.numpy()))
            sac.update(Batch(states, latents, (latents[:, 0] > 0).float(), states, torch.ones(64)))
        samples = torch.from_numpy(sac.act(states.repeat(20, 1).numpy()))
        assert (samples[:, 0] > 0).float().mean() > 0.8
        assert sac.choices(states).penalty.mean() < math.log(2.0)

    def test_a_target_of_one_skill_has_the_mean_of_those_of_all_components(self) -> None:
        sac = make_sac("mixture", policy_family="mixture", initial_policy="scratch", divergence_samples=400)
        states = torch.randn(1, STATE).expand(4000, -1)
        batch = Batch(states, torch.zeros(4000, LATENT), torch.ones(4000), states, torch.zeros(4000))
        target = sac.target_value(batch)
        weights, latents, penalty = sac.choices(states)
        value = (weights * sac.target_critics(states, latents).amin(0)).sum(0)
        expected = (1.0 + sac.section.discount * (value - sac.alpha * penalty)).detach()
        standard_error = float(target.std() + expected.std()) / math.sqrt(len(states))
        assert abs(float((target - expected).mean())) < 4 * standard_error
        assert target.std() > 1.01 * expected.std()  # one skill instead of one of each component

    def test_a_mixture_policy_in_numpy_is_the_same(self, tmp_path: Path) -> None:
        sac = make_sac("mixture", policy_family="mixture")
        export_policy(tmp_path / "policy.safetensors", sac.policy)
        states = torch.randn(3, STATE)
        with torch.no_grad():
            density = sac.policy(states)
        exported = load_density(tmp_path / "policy.safetensors")
        assert isinstance(exported, NumpyMixture)
        weights, mean, log_sigma = exported(states.numpy())
        np.testing.assert_allclose(weights, density.log_weights.exp().numpy(), rtol=1e-4)
        np.testing.assert_allclose(mean, density.components.mean.numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(log_sigma, density.components.log_sigma.numpy(), rtol=1e-4, atol=1e-5)
        with pytest.raises(AttributeError):
            sac.policy.as_gaussian()  # the Gaussian beside the prior is not part of the policy

    def test_the_divergence_between_mixtures_is_zero_for_equal_and_log_two_for_one_of_two(self) -> None:
        sac = make_sac("mixture", policy_family="mixture", divergence_samples=4000)
        components = Gaussian(torch.tensor([[[5.0, 0.0], [-5.0, 0.0]]]), torch.zeros(1, 2, LATENT))
        both, one = (Mixture(torch.tensor([weights]).log(), components) for weights in ((0.5, 0.5), (1.0 - 1e-7, 1e-7)))
        assert float(sac.divergence(both, both)) == pytest.approx(0.0, abs=1e-5)
        assert float(sac.divergence(one, both)) == pytest.approx(math.log(2.0), abs=1e-3)

    def test_actions_have_the_bounds_that_the_policy_is_squashed_into(self) -> None:
        bounds = torch.tensor([[-1.0, 0.0], [3.0, 0.5]])
        values = {"squash": "bounds", "initial_policy": "scratch", "regularizer": "entropy"}
        sac = SAC(TrainRLSection.model_validate(values), make("gaussian"), LATENT, torch.Generator(), bounds=bounds)
        actions = sac.act(50 * torch.randn(500, STATE).numpy())
        assert (actions >= bounds[0].numpy() - 1e-6).all() and (actions <= bounds[1].numpy() + 1e-6).all()
        assert actions.max() > 2.5


def test_an_unknown_family_is_refused_by_name() -> None:
    from spirl_cli.recipe.load import load_recipe

    with pytest.raises(UsageError, match=r"train_prior\.family.*Did you mean 'mixture'"):
        load_recipe("gymnasium", overrides=["train_prior.family=mixtur"])
    with pytest.raises(UsageError, match=r"train_prior\.objective 'kl' has no closed form for the family 'flow'"):
        load_recipe("kitchen", overrides=["train_prior.family=flow"])
