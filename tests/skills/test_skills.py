"""Skill models, priors, augmentation and their NumPy counterparts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from spirl_cli.clips.reader import Clips
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.inference.densities import load_density
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.skills import Augmentation, StateNoise, TrainSkillsSection
from spirl_cli.skills.augmentation import Augmenter
from spirl_cli.skills.export_decoders import export_decoder, export_primitive_decoder
from spirl_cli.skills.export_densities import export_gaussian
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.model_files import load_prior, load_skills, save_prior, save_skills
from spirl_cli.skills.models import SkillModel, rate, reconstruction_error
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.optimization import scheduled_rate
from spirl_cli.skills.prior import GaussianNetwork, PriorShape, prior_loss
from spirl_cli.skills.prior_training import PriorTrainer
from spirl_cli.skills.sampling import WindowSampler, windows
from spirl_cli.skills.skill_training import SkillTrainer
from tests.support.clip_data import make_clips
from tests.support.tensors import equal, weights

STATE, ACTION, HORIZON, LATENT = 5, 3, 4, 2


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    return make_clips(tmp_path / "clips.h5", state_dim=STATE, action_dim=ACTION, horizon=HORIZON)


def section(**changes: object) -> TrainSkillsSection:
    small = {"horizon": HORIZON, "latent_dim": LATENT, "encoder_width": 16, "decoder_width": 16, "decoder_depth": 2}
    return TrainSkillsSection.model_validate({**small, "batch_size": 16, "iterations": 40, "best_of": 4, **changes})


def random_gaussian(seed: int, batch: int = 3) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    return Gaussian(
        torch.randn(batch, LATENT, generator=generator), 0.5 * torch.randn(batch, LATENT, generator=generator)
    )


class TestGaussian:
    def test_kl_closed_form_agrees_with_monte_carlo(self) -> None:
        left, right = random_gaussian(0), random_gaussian(1)
        generator = torch.Generator().manual_seed(2)
        samples = [left.sample(generator) for _ in range(20_000)]
        ratios = torch.stack([left.log_prob(sample) - right.log_prob(sample) for sample in samples])
        error = ratios.std(0) / math.sqrt(len(samples))
        assert torch.all((ratios.mean(0) - left.kl(right).sum(-1)).abs() < 5 * error)

    def test_kl_and_density_agree_with_torch_distributions(self) -> None:
        left, right = random_gaussian(3), random_gaussian(4)
        reference = [Independent(Normal(g.mean, g.log_sigma.exp()), 1) for g in (left, right)]
        torch.testing.assert_close(left.kl(right).sum(-1), kl_divergence(*reference))
        torch.testing.assert_close(left.log_prob(right.mean), reference[0].log_prob(right.mean))

    def test_log_sigma_is_clamped_to_the_published_range(self) -> None:
        gaussian = Gaussian.from_head(torch.tensor([[0.0, 0.0, -50.0, 50.0]]))
        assert gaussian.log_sigma.tolist() == [[-10.0, 2.0]]


class TestLosses:
    def test_reconstruction_is_half_the_mean_squared_error_over_all_entries(self) -> None:
        actions, predicted = torch.zeros(2, HORIZON, ACTION), torch.full((2, HORIZON, ACTION), 3.0)
        assert reconstruction_error(actions, predicted).item() == pytest.approx(4.5)

    def test_rate_is_the_mean_over_batch_and_latent_dimensions(self) -> None:
        posterior = Gaussian(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))
        assert rate(posterior).item() == pytest.approx(0.25)  # KL(N(1,1) ‖ N(0,1)) = 1/2, and 0; their mean

    def test_prior_objectives_have_their_minimum_at_the_posterior(self) -> None:
        posterior = random_gaussian(5, batch=1)
        mean = posterior.mean.clone().requires_grad_(True)
        loss = prior_loss(Gaussian(mean, posterior.log_sigma), posterior, posterior.mean, "kl")
        loss.backward()
        assert loss.item() == pytest.approx(0.0, abs=1e-6)
        assert mean.grad is not None
        torch.testing.assert_close(mean.grad, torch.zeros_like(mean))

    def test_no_gradient_of_the_prior_reaches_the_posterior(self) -> None:
        posterior = Gaussian(torch.zeros(1, LATENT, requires_grad=True), torch.zeros(1, LATENT, requires_grad=True))
        prior = Gaussian(torch.ones(1, LATENT, requires_grad=True), torch.zeros(1, LATENT))
        for objective in ("nll", "kl"):
            prior_loss(prior, posterior, posterior.sample(), objective).backward()
        assert posterior.mean.grad is None and posterior.log_sigma.grad is None


class TestModels:
    @pytest.mark.parametrize("kind", ["closed-loop", "open-loop"])
    def test_a_model_predicts_actions_and_a_posterior(self, kind: str) -> None:
        model = SkillModel(section(model=kind), STATE, ACTION)
        states, actions = torch.randn(7, HORIZON, STATE), torch.randn(7, HORIZON, ACTION)
        predicted, posterior = model(states, actions, torch.randn(7, LATENT))
        assert predicted.shape == (7, HORIZON, ACTION)
        assert posterior.mean.shape == posterior.log_sigma.shape == (7, LATENT)

    def test_only_closed_loop_skills_look_at_states(self) -> None:
        states, actions = torch.randn(2, HORIZON, STATE), torch.randn(2, HORIZON, ACTION)
        for kind, differs in (("closed-loop", True), ("open-loop", False)):
            model = SkillModel(section(model=kind), STATE, ACTION)
            latent = torch.randn(2, LATENT)
            same_plan = torch.equal(model.decoder(states, latent), model.decoder(states + 1, latent))
            same_skill = torch.equal(model.encode(states, actions).mean, model.encode(states + 1, actions).mean)
            assert (same_plan, same_skill) == (not differs, not differs)

    def test_default_networks_have_the_published_sizes(self) -> None:
        """docs/method.md#networks on the kitchen: LSTM-128 encoder, decoder MLP with 5 hidden blocks of 128."""
        model = SkillModel(TrainSkillsSection(batch_norm=True), 30, 9)
        decoder = sum(p.numel() for p in model.decoder.parameters())
        assert decoder == (40 * 128 + 128) + 5 * (128 * 128 + 128 + 2 * 128) + (128 * 9 + 9)
        assert model.encoder.lstm.hidden_size == 128


class TestNumpyInference:
    @pytest.mark.parametrize("kind", ["closed-loop", "open-loop"])
    @pytest.mark.parametrize("batch_norm", [False, True])
    def test_decoders_equal_torch(self, tmp_path: Path, clips: Clips, kind: str, batch_norm: bool) -> None:
        trainer = SkillTrainer(section(model=kind, batch_norm=batch_norm), clips, seed=0)
        for _ in range(5):
            trainer.update()  # so that BatchNorm has statistics
        model = trainer.model.eval()
        export_decoder(tmp_path / "decoder.safetensors", model, clips)
        decoder = load_decoder(tmp_path / "decoder.safetensors")
        states, latent = torch.randn(1, HORIZON, STATE), torch.randn(1, LATENT)
        with torch.no_grad():
            expected = model.decoder(model.normalizer(states), latent)[0]
        for _ in range(2):  # a second skill must not remember the first
            decoder.begin(latent[0].numpy())
            actions = np.stack([decoder.act(state) for state in states[0].numpy()])
            np.testing.assert_allclose(actions, expected.numpy(), atol=2e-5)

    @pytest.mark.parametrize("batch_norm", [False, True])
    def test_gaussian_equals_torch(self, tmp_path: Path, batch_norm: bool) -> None:
        normalizer = Normalizer(torch.randn(STATE), torch.rand(STATE) + 0.1)
        network = GaussianNetwork(normalizer, PriorShape(LATENT, 16, 2, batch_norm, min_log_sigma=-1.0))
        network(torch.randn(64, STATE))
        network.eval()
        export_gaussian(tmp_path / "policy.safetensors", network)
        states = torch.randn(6, STATE)
        with torch.no_grad():
            expected = network(states)
        mean, log_sigma = load_density(tmp_path / "policy.safetensors")(states.numpy())
        np.testing.assert_allclose(mean, expected.mean.numpy(), atol=2e-5)
        np.testing.assert_allclose(log_sigma, expected.log_sigma.numpy(), atol=2e-5)
        assert log_sigma.min() >= -1.0

    def test_primitive_decoder_returns_the_action(self, tmp_path: Path, clips: Clips) -> None:
        export_primitive_decoder(tmp_path / "decoder.safetensors", clips)
        decoder = load_decoder(tmp_path / "decoder.safetensors")
        decoder.begin(np.array([0.1, 0.2, 0.3]))
        assert decoder.horizon == 1 and decoder.latent_dim == ACTION
        np.testing.assert_allclose(decoder.act(np.zeros(STATE)), [0.1, 0.2, 0.3], rtol=1e-6)

    def test_saved_models_come_back(self, tmp_path: Path) -> None:
        model = SkillModel(section(), STATE, ACTION, Normalizer(torch.randn(STATE), torch.rand(STATE))).eval()
        save_skills(tmp_path / "skills", model, ACTION)
        states, actions = torch.randn(2, HORIZON, STATE), torch.randn(2, HORIZON, ACTION)
        assert torch.equal(
            load_skills(tmp_path / "skills").encode(states, actions).mean, model.encode(states, actions).mean
        )
        settings = TrainPriorSection(width=16, depth=1)
        prior = GaussianNetwork(model.normalizer, PriorShape(LATENT, 16, 1)).eval()
        save_prior(tmp_path / "prior", prior, settings, LATENT)
        loaded, latent_dim = load_prior(tmp_path / "prior")
        assert latent_dim == LATENT and torch.equal(loaded(states[:, 0]).mean, prior(states[:, 0]).mean)


class TestAugmentation:
    def augmenter(self, pool: torch.Tensor | None = None, **settings: object) -> Augmenter:
        bounds = torch.ones(ACTION)
        pool = torch.zeros(1, STATE) if pool is None else pool
        return Augmenter(Augmentation.model_validate(settings), pool, -bounds, bounds, torch.Generator().manual_seed(0))

    def test_noise_has_the_asked_size_and_place(self) -> None:
        noise = StateNoise(indices=("1:3",), sigma=0.5)
        states, _ = self.augmenter(state_noise=[noise], independent=0.0)(
            torch.zeros(4000, 3, STATE), torch.zeros(4000, 3, ACTION)
        )
        assert torch.all(states[..., [0, 3, 4]] == 0)
        assert torch.all(states[:, 0] == states[:, 2])  # one draw for the whole window
        assert states[:, 0, 1:3].std().item() == pytest.approx(0.5, rel=0.05)

    def test_corrected_actions_lead_back(self) -> None:
        """Pushed by +e in the state that action 0 drives, the target asks for gain·e less."""
        noise = StateNoise(indices=(1,), sigma=0.05)
        augment = self.augmenter(state_noise=[noise], correction=2.0, correction_indices=(1, 2, 3))
        states, actions = augment(torch.zeros(50, 3, STATE), torch.zeros(50, 3, ACTION))
        torch.testing.assert_close(actions[..., 0], -2.0 * states[..., 1])
        assert torch.all(actions[..., 1:] == 0)

    def test_corrected_actions_stay_within_bounds(self) -> None:
        augment = self.augmenter(
            state_noise=[StateNoise(indices=(0,), sigma=10.0)], correction=5.0, correction_indices=(0, 1, 2)
        )
        _, actions = augment(torch.zeros(50, 3, STATE), torch.full((50, 3, ACTION), 0.9))
        assert actions.abs().max() <= 1.0

    def test_only_untouched_objects_are_swapped(self) -> None:
        pool = torch.full((5, STATE), 7.0)
        augment = self.augmenter(pool, swap_groups=[(1,), (2, 3)], swap_windows=1.0, swap_probability=1.0)
        states = torch.zeros(6, 3, STATE)
        states[:3, 2, 2] = 0.5  # the second object moves in the first three windows
        swapped = augment.states(states)
        assert torch.all(swapped[..., 1] == 7.0)
        assert torch.equal(swapped[:3, :, 2:4], states[:3, :, 2:4])
        assert torch.all(swapped[3:, :, 2:4] == 7.0)
        assert torch.equal(swapped[..., [0, 4]], states[..., [0, 4]])
        assert states[3:, :, 1:4].abs().max() == 0  # the data itself is untouched


class TestSampling:
    def test_windows_or_episodes_weigh_the_same(self, clips: Clips) -> None:
        starts = clips.starts("train")
        episodes = clips.episode_of(starts)
        shares = np.unique(episodes, return_counts=True)[1] / len(starts)
        for sampling, expected in (("windows", shares), ("episodes", np.full(len(shares), 1 / len(shares)))):
            sampler = WindowSampler(clips, "train", sampling, np.random.default_rng(0))
            drawn = clips.episode_of(sampler.draw(20_000))
            counts = np.unique(drawn, return_counts=True)[1] / 20_000
            np.testing.assert_allclose(counts, expected, atol=0.02)

    def test_windows_pair_each_action_with_the_state_it_was_taken_in(self, clips: Clips) -> None:
        states, actions = windows(clips, clips.starts("train")[:3])
        assert states.shape == (3, HORIZON, STATE) and actions.shape == (3, HORIZON, ACTION)
        torch.testing.assert_close(actions, states[..., :ACTION])  # as make_clips builds them


class TestTraining:
    def test_same_seed_same_weights_other_seed_others(self, clips: Clips) -> None:
        runs = []
        for seed in (0, 0, 1):
            trainer = SkillTrainer(section(), clips, seed)
            for _ in range(10):
                trainer.update()
            runs.append(weights(trainer.model))
        assert equal(runs[0], runs[1]) and not equal(runs[0], runs[2])

    @pytest.mark.parametrize(
        "changes", [{"model": "open-loop"}, {"target_kl": 0.1}, {"optimizer": "radam", "batch_norm": True}]
    )
    def test_restored_skills_go_on_identically(self, tmp_path: Path, clips: Clips, changes: dict[str, object]) -> None:
        settings = section(augmentation={"state_noise": [{"indices": ["0:2"], "sigma": 0.1}]}, **changes)
        whole, half, rest = (SkillTrainer(settings, clips, seed=3) for _ in range(3))
        for _ in range(8):
            half.update()
        rest.restore(half.state(tmp_path), tmp_path)
        for _ in range(8):
            rest.update()
        for index in range(16):
            whole.update()
            if index == 4:
                whole.validate()  # must not disturb the random numbers
        assert equal(weights(whole.model), weights(rest.model)) and whole.log_beta == rest.log_beta

    def test_restored_prior_goes_on_identically(self, tmp_path: Path, clips: Clips) -> None:
        skills = SkillTrainer(section(), clips, 0).model.eval()
        settings = TrainPriorSection(width=16, depth=1, iterations=20, batch_size=16)
        whole, half, rest = (PriorTrainer(settings, clips, skills, skills.normalizer, LATENT, 5) for _ in range(3))
        before = weights(skills)
        for _ in range(6):
            half.update()
        rest.restore(half.state(tmp_path), tmp_path)
        for _ in range(6):
            rest.update()
        for _ in range(12):
            whole.update()
        assert equal(weights(whole.prior), weights(rest.prior))
        assert equal(before, weights(skills))

    def test_training_reduces_both_errors(self, clips: Clips) -> None:
        trainer = SkillTrainer(section(iterations=300, learning_rate=3e-3, beta=1e-4), clips, 0)
        before = trainer.validate()
        for _ in range(300):
            trainer.update()
        after = trainer.validate()
        assert after["validation/reconstruction"] < 0.5 * before["validation/reconstruction"]
        assert after["validation/best_of"] < before["validation/best_of"]

    def test_target_kl_is_approached_from_both_sides(self, clips: Clips) -> None:
        for target, grows in ((1e-4, True), (50.0, False)):
            trainer = SkillTrainer(section(target_kl=target), clips, 0)
            before = trainer.beta
            for _ in range(20):
                trainer.update()
            assert (trainer.beta > before) == grows

    def test_prior_on_primitive_actions_is_behaviour_cloning(self, clips: Clips) -> None:
        """In the made-up data a = s[:A]; the flat prior's mean must learn it."""
        settings = TrainPriorSection(
            width=32,
            depth=1,
            iterations=600,
            batch_size=64,
            learning_rate=3e-3,
            min_log_sigma=-2.0,  # else it grows too sure of so little data
        )
        trainer = PriorTrainer(settings, clips, None, Normalizer.identity(STATE), ACTION, 0)
        for _ in range(600):
            trainer.update()
        states = torch.from_numpy(clips.states(clips.starts("validation")))
        with torch.no_grad():
            error = (trainer.prior.eval()(states).mean - states[:, :ACTION]).abs().mean()
        assert error < 0.1
        start = PriorTrainer(settings, clips, None, Normalizer.identity(STATE), ACTION, 0)
        assert trainer.validate()["validation/log_likelihood"] > start.validate()["validation/log_likelihood"] + 1

    def test_the_cosine_schedule_ends_at_a_hundredth(self) -> None:
        assert scheduled_rate("cosine", 1.0, 0, 100) == pytest.approx(1.0)
        assert scheduled_rate("cosine", 1.0, 50, 100) == pytest.approx(0.505)
        assert scheduled_rate("cosine", 1.0, 100, 100) == pytest.approx(0.01)
        assert scheduled_rate("constant", 1.0, 99, 100) == 1.0
