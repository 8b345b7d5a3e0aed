"""Image encoders: in torch, in NumPy, in training and in agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from spirl_cli.clips.reader import Clips
from spirl_cli.domains.drawn import STATE_AND_IMAGE
from spirl_cli.domains.maze.section import MazeSection
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.inference.agent import Agent
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.inference.densities import load_density
from spirl_cli.inference.perception import convolve
from spirl_cli.inference.policies import MeanPolicy
from spirl_cli.monitor.checkpoint import State, merge, write_state
from spirl_cli.monitor.packing import pack_module
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.skills import ImageEncoderSection, TrainSkillsSection
from spirl_cli.skills.export_decoders import export_decoder
from spirl_cli.skills.export_densities import export_gaussian
from spirl_cli.skills.families import make_prior
from spirl_cli.skills.model_files import load_prior, load_skills, save_prior, save_skills
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, PriorShape
from spirl_cli.skills.prior_training import PriorTrainer
from spirl_cli.skills.sampling import add_images
from spirl_cli.skills.skill_training import SkillTrainer
from spirl_cli.skills.vision import ImageEncoder, Perception
from spirl_cli.stages.compatibility import check_images
from tests.support.clip_data import make_clips
from tests.support.tensors import equal, weights

STATE, ACTION, HORIZON, LATENT = 4, 2, 3, 2
SHAPE = (16, 16, 6)
PIXELS = 16 * 16 * 6
SMALL = {"channels": (4, 6), "features": 5}


class ImageClips(Clips):
    """Clips whose image at a row is a shade that the first number of the state decides, and row noise."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return SHAPE

    def images(self, rows: np.ndarray) -> np.ndarray:
        shade = 127 + 100 * self.states(rows)[..., 0]  # (...)
        texture = (rows[..., None] * 31 + np.arange(PIXELS)) % 23
        return (shade[..., None] + texture).astype(np.uint8).reshape(*rows.shape, *SHAPE)


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    path = tmp_path / "clips.h5"
    make_clips(path, state_dim=STATE, action_dim=ACTION, horizon=HORIZON)
    return ImageClips.open(path)


def observations(*leading: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(*leading, STATE, generator=generator)
    return torch.cat([states, torch.randint(256, (*leading, PIXELS), generator=generator).float()], dim=-1)


def normalizer() -> Normalizer:
    return Normalizer(torch.arange(STATE) / 10, 0.5 + torch.arange(STATE) / 10)


def prior_section(**changes: Any) -> TrainPriorSection:
    values = {"width": 16, "depth": 1, "iterations": 200, "batch_size": 32, "image": SMALL}
    return TrainPriorSection.model_validate({**values, **changes})


def skills_section(**changes: Any) -> TrainSkillsSection:
    values = {"horizon": HORIZON, "latent_dim": LATENT, "encoder_width": 8, "decoder_width": 8, "decoder_depth": 1}
    return TrainSkillsSection.model_validate({**values, "batch_size": 8, "best_of": 2, "image": SMALL, **changes})


def trained_batch_norm(module: torch.nn.Module) -> None:
    """Give BatchNorm layers statistics and gains as training would."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            for tensor in (part.weight.data, part.running_var):
                assert tensor is not None
                tensor.uniform_(0.5, 1.5)
            for tensor in (part.bias.data, part.running_mean):
                assert tensor is not None
                tensor.normal_()


class TestEncoder:
    def test_the_default_encoder_has_the_published_sizes(self) -> None:
        """6→8→16→32 by 4×4 kernels with stride 2, then a 4×4 valid convolution (docs/method.md#image-features)."""
        encoder = ImageEncoder((32, 32, 6), ImageEncoderSection())
        weights = 16 * (6 * 8 + 8 * 16 + 16 * 32 + 32 * 32)
        assert sum(p.numel() for p in encoder.parameters()) == weights + 8 + 16 + 32 + 32
        assert encoder(torch.zeros(3, 2, 32 * 32 * 6)).shape == (3, 2, 32)

    def test_pixels_are_rows_columns_channels(self) -> None:
        encoder = ImageEncoder(SHAPE, ImageEncoderSection(channels=(4,), features=5))
        image = torch.randint(256, SHAPE).float()
        convolution = encoder.convolutions[0]
        assert isinstance(convolution, torch.nn.Conv2d)
        scaled = (image / 255 - 0.5).permute(2, 0, 1)[None].contiguous()
        maps = functional.leaky_relu(functional.conv2d(scaled, convolution.weight, convolution.bias, 2, 1), 0.2)
        expected = functional.leaky_relu(encoder.features(maps[0].permute(1, 2, 0).flatten()), 0.2)
        torch.testing.assert_close(encoder(image.flatten()), expected)

    def test_too_many_convolutions_are_refused(self) -> None:
        with pytest.raises(UsageError, match="too small for 5 convolutions"):
            ImageEncoder(SHAPE, ImageEncoderSection(channels=(2, 2, 2, 2, 2)))


class TestPerception:
    @pytest.mark.parametrize(
        ("indices", "image", "seen", "features"),
        [
            (None, False, [0, 1, 2, 3], 0),
            (None, True, [], 5),
            ((1, "2:4"), True, [1, 2, 3], 5),
            ((3, 0), False, [3, 0], 0),
        ],
    )
    def test_chosen_numbers_are_standardised_and_come_first(
        self, indices: tuple[int | str, ...] | None, image: bool, seen: list[int], features: int
    ) -> None:
        perception = Perception(STATE, indices, ImageEncoderSection(**SMALL) if image else None, SHAPE)  # type: ignore[arg-type]
        given = observations(7)
        inputs = perception(given, normalizer())
        assert perception.size == inputs.shape[1] == len(seen) + features
        torch.testing.assert_close(inputs[:, : len(seen)], normalizer()(given[:, :STATE])[:, seen])

    def test_an_image_policy_ignores_the_state_and_what_lies_between(self) -> None:
        prior = make_prior(prior_section(), normalizer(), LATENT, SHAPE)
        given, other = observations(3), observations(3)
        other[:, :STATE] += 5
        assert torch.equal(prior(given).mean, prior(other).mean)
        between = torch.cat([given[:, :STATE], torch.randn(3, 9), given[:, STATE:]], dim=1)
        assert torch.equal(prior(given).mean, prior(between).mean)
        other[:, STATE:] = other[:, STATE:].flip(1)
        assert not torch.allclose(prior(given).mean, prior(other).mean)

    def test_without_an_image_it_is_left_out(self) -> None:
        network = GaussianNetwork(normalizer(), PriorShape(LATENT, 16, 1))
        given = observations(3)
        assert torch.equal(network(given).mean, network(given[:, :STATE]).mean)

    def test_nothing_to_see_is_refused(self) -> None:
        with pytest.raises(UsageError, match="no"):
            make_prior(prior_section(), normalizer(), LATENT, None)
        with pytest.raises(UsageError, match="see nothing"):
            make_prior(prior_section(image=None, state_indices=()), normalizer(), LATENT)


class TestFiles:
    def test_names_of_parameters_without_images_stay(self) -> None:
        """Models and unfinished runs from before there were images still load."""
        prior = set(GaussianNetwork(normalizer(), PriorShape(LATENT, 16, 0)).state_dict())
        layers = {f"network.{layer}.{part}" for layer in (0, 2) for part in ("weight", "bias")}
        assert prior == layers | {"normalizer.mean", "normalizer.scale"}
        skills = SkillModel(skills_section(image=None), STATE, ACTION).state_dict()
        assert {name.split(".")[0] for name in skills} == {"normalizer", "encoder", "decoder"}
        assert {name.split(".")[1] for name in skills if name.startswith("decoder")} == {"network"}

    def test_priors_from_before_there_were_images_load(self, tmp_path: Path) -> None:
        section = prior_section(image=None)
        prior = make_prior(section, normalizer(), LATENT).eval()
        old = section.model_dump(mode="json", exclude={"image", "state_indices"})
        scalars = {"section": old, "state_dim": STATE, "latent_dim": LATENT}
        write_state(tmp_path / "old", merge(State(scalars=scalars), pack_module(prior, "model")))
        states = observations(3)[:, :STATE]
        assert torch.equal(load_prior(tmp_path / "old")[0](states).mean, prior(states).mean)

    def test_models_with_images_come_back(self, tmp_path: Path) -> None:
        section = prior_section(state_indices=("2:4",))
        prior = make_prior(section, normalizer(), LATENT, SHAPE).eval()
        save_prior(tmp_path / "prior", prior, section, LATENT)
        model = SkillModel(skills_section(), STATE, ACTION, normalizer(), SHAPE).eval()
        save_skills(tmp_path / "skills", model, ACTION)
        given = observations(2, HORIZON)
        assert torch.equal(load_prior(tmp_path / "prior")[0](given).mean, prior(given).mean)
        assert torch.equal(load_skills(tmp_path / "skills").perceive(given), model.perceive(given))


class TestNumpy:
    def test_convolution_against_loops(self) -> None:
        rng = np.random.default_rng(0)
        maps, weight, bias = rng.normal(size=(1, 6, 4, 2)), rng.normal(size=(32, 3)), rng.normal(size=3)
        kernel = weight.reshape(4, 4, 2, 3)
        padded = np.pad(maps[0], ((1, 1), (1, 1), (0, 0)))
        expected = np.zeros((3, 2, 3))
        for row in range(3):
            for column in range(2):
                patch = padded[2 * row : 2 * row + 4, 2 * column : 2 * column + 4]
                expected[row, column] = np.einsum("ijk,ijkm->m", patch, kernel) + bias
        np.testing.assert_allclose(convolve(maps, weight, bias)[0], expected)

    @pytest.mark.parametrize("batch_norm", [False, True])
    @pytest.mark.parametrize("indices", [None, ("1:3",), ("0:4",)])
    def test_policies_equal_torch(self, tmp_path: Path, batch_norm: bool, indices: tuple[str, ...] | None) -> None:
        image = {**SMALL, "batch_norm": batch_norm}
        section = prior_section(image=image, batch_norm=batch_norm, state_indices=indices)
        prior = make_prior(section, normalizer(), LATENT, SHAPE).eval()
        trained_batch_norm(prior)
        export_gaussian(tmp_path / "policy.safetensors", prior)
        given = observations(6)
        with torch.no_grad():
            expected = prior(given)
        policy = load_density(tmp_path / "policy.safetensors")
        mean, log_sigma = policy(given.numpy())
        np.testing.assert_allclose(mean, expected.mean, atol=2e-5)
        np.testing.assert_allclose(log_sigma, expected.log_sigma, atol=2e-5)
        np.testing.assert_allclose(policy(given[0].numpy())[0], expected.mean[0], atol=2e-5)

    def test_images_of_another_shape_are_refused(self, tmp_path: Path) -> None:
        prior = make_prior(prior_section(), normalizer(), LATENT, (32, 32, 6))
        export_gaussian(tmp_path / "prior.safetensors", prior)
        check_images(MazeSection(kind="maze", frames=2), tmp_path / "prior.safetensors")
        with pytest.raises(ArtifactError, match=r"prior looks at images of shape \(32, 32, 6\)"):
            check_images(MazeSection(kind="maze", frames=3), tmp_path / "prior.safetensors")

    @pytest.mark.parametrize("changes", [{}, {"state_indices": (3,)}, {"image": None, "state_indices": (1, 0)}])
    def test_decoders_equal_torch(self, tmp_path: Path, clips: Clips, changes: dict[str, Any]) -> None:
        model = SkillModel(skills_section(**changes), STATE, ACTION, normalizer(), SHAPE).eval()
        export_decoder(tmp_path / "decoder.safetensors", model, clips)
        decoder = load_decoder(tmp_path / "decoder.safetensors")
        given, latent = observations(1, HORIZON), torch.randn(1, LATENT)
        with torch.no_grad():
            expected = model.decoder(model.perceive(given), latent)[0]
        decoder.begin(latent[0].numpy())
        actions = np.stack([decoder.act(step) for step in given[0].numpy()])
        np.testing.assert_allclose(actions, expected, atol=2e-5)

    def test_agents_take_raw_observations(self, tmp_path: Path, clips: Clips) -> None:
        prior = make_prior(prior_section(), normalizer(), LATENT, SHAPE).eval()
        export_gaussian(tmp_path / "policy.safetensors", prior)
        export_decoder(
            tmp_path / "decoder.safetensors", SkillModel(skills_section(), STATE, ACTION, None, SHAPE), clips
        )
        agent = Agent(
            MeanPolicy(load_density(tmp_path / "policy.safetensors")),
            load_decoder(tmp_path / "decoder.safetensors"),
            bounds=(np.full(ACTION, -1.0), np.full(ACTION, 1.0)),
            parts=STATE_AND_IMAGE,
            state_dim=STATE,
            pixels=PIXELS,
        )
        vectors = observations(2).numpy()
        images = vectors[:, STATE:].reshape(2, *SHAPE).astype(np.uint8)
        agent.reset(batch=2)
        actions = agent.act({"state": vectors[:, :STATE], "image": images})
        agent.reset()
        np.testing.assert_array_equal(agent.act({"state": vectors[0, :STATE], "image": images[0]}), actions[0])
        agent.reset()
        np.testing.assert_array_equal(agent.act(vectors[1]), actions[1])
        with pytest.raises(UsageError, match="no key 'state'"):
            agent.act(vectors[1, :STATE])


class TestTraining:
    def test_images_follow_the_states_unscaled(self, clips: Clips) -> None:
        rows = clips.starts("train")[:6].reshape(2, 3)
        given = add_images(torch.zeros(2, 3, STATE), clips, rows)
        assert given.shape == (2, 3, STATE + PIXELS) and not given[..., :STATE].any()
        np.testing.assert_array_equal(
            given[..., STATE:].numpy().astype(np.uint8).reshape(2, 3, *SHAPE), clips.images(rows)
        )

    def test_a_prior_learns_from_the_image_alone(self, clips: Clips) -> None:
        """The first action equals the first number of the state, which is the shade of the image."""
        section = prior_section(learning_rate=3e-3, min_log_sigma=-2.0)
        trainer = PriorTrainer(section, clips, None, Normalizer.identity(STATE), ACTION, 0)
        before = trainer.validate()["validation/log_likelihood"]
        for _ in range(200):
            trainer.update()
        starts = clips.starts("validation")
        states = torch.from_numpy(clips.states(starts))
        with torch.no_grad():
            mean = trainer.prior.eval()(add_images(torch.zeros_like(states), clips, starts)).mean
        assert (mean[:, 0] - states[:, 0]).abs().mean() < 0.15
        assert trainer.validate()["validation/log_likelihood"] > before + 0.5

    @pytest.mark.parametrize("decoder_steps", [None, 2])
    def test_training_with_images_is_restored_identically(
        self, tmp_path: Path, clips: Clips, decoder_steps: int | None
    ) -> None:
        noise = {"state_noise": [{"indices": ["0:2"], "sigma": 0.1}]}
        section = skills_section(augmentation=noise, decoder_steps=decoder_steps)
        whole, half, rest = (SkillTrainer(section, clips, seed=3) for _ in range(3))
        before = weights(whole.model.perception)
        for _ in range(3):
            half.update()
        rest.restore(half.state(tmp_path), tmp_path)
        for _ in range(3):
            rest.update()
        for _ in range(6):
            whole.update()
        assert equal(weights(whole.model), weights(rest.model))
        assert not equal(before, weights(whole.model.perception))
        assert whole.validate() == rest.validate()

    def test_some_steps_of_windows_stand_for_all(self, clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
        drawn: list[np.ndarray] = []
        images = clips.images
        monkeypatch.setattr(clips, "images", lambda rows: drawn.append(rows) or images(rows))
        losses = []
        for steps in (None, 2):
            section = skills_section(decoder_steps=steps, batch_size=32, learning_rate=1e-9)
            trainer = SkillTrainer(section, clips, seed=3)
            losses.append(np.mean([float(trainer.update()["reconstruction"]) for _ in range(100)]))
        assert losses[1] == pytest.approx(losses[0], rel=0.03)
        whole, some = drawn[0], np.concatenate(drawn[100:])
        assert whole.shape == (32, HORIZON) and some.shape == (3200, 2) and (some[:, 0] != some[:, 1]).all()
        assert {-2, -1, 1, 2} == set((some[:, 1] - some[:, 0]).tolist())  # any two of three

    def test_the_clip_encoder_sees_no_image(self, clips: Clips) -> None:
        plain, seeing = (SkillModel(skills_section(image=image), STATE, ACTION, None, SHAPE) for image in (None, SMALL))
        assert plain.encoder.embed.in_features == seeing.encoder.embed.in_features == STATE + ACTION
