"""The units of actions and states decide nothing: skills, what is exported, and what rewards are worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spirl_cli.clips.reader import Clips
from spirl_cli.clips.writer import ClipWriter
from spirl_cli.demos.episode import ActionBounds, Episode
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.sections.skills import Augmentation, StateNoise, TrainSkillsSection
from spirl_cli.skills.export_decoders import export_decoder
from spirl_cli.skills.model_files import load_skills, save_skills
from spirl_cli.skills.preparation import make_action_scale, make_augmenter, make_normalizer, smallest_spread
from spirl_cli.skills.skill_training import SkillTrainer
from tests.support.rl_data import make_learning

SMALL = {"horizon": 4, "latent_dim": 2, "encoder_width": 16, "decoder_width": 16, "decoder_depth": 1, "batch_size": 16}


def scaled_clips(
    path: Path, actions: float = 1.0, states: float = 1.0, offset: float = 0.0, bound: float = 1.0
) -> Clips:
    """The same motions with actions and states in other units."""
    rng = np.random.default_rng(0)
    limit = np.full(2, bound * actions, np.float32)
    with ClipWriter(path, 4, ActionBounds(-limit, limit)) as writer:
        for number in range(8):
            steps = 20 + number
            phase = rng.uniform(0, 6.28, 3)
            motion = np.sin(phase + 0.2 * np.arange(steps + 1)[:, None]).astype(np.float32)
            moved = np.float32(states) * motion + np.float32(offset)
            writer.append(Episode(number, moved, np.float32(actions) * motion[:-1, :2]))
        writer.finish(validation_fraction=0.25, seed=0, identity={})
    return Clips.open(path)


def trained(clips: Clips, iterations: int = 40, **changes: object) -> SkillTrainer:
    section = TrainSkillsSection.model_validate({**SMALL, "units": "scaled", "iterations": iterations, **changes})
    trainer = SkillTrainer(section, clips, seed=0)
    for _ in range(iterations):
        trainer.update()
    trainer.model.eval()
    return trainer


@pytest.mark.parametrize("model", ["closed-loop", "open-loop"])
def test_powers_of_two_change_no_bit_of_the_skills(model: str, tmp_path: Path) -> None:
    plain = trained(scaled_clips(tmp_path / "a.h5"), model=model)
    for actions, states in ((2.0**-5, 1.0), (32.0, 2.0**-10), (1.0, 1024.0)):
        other = trained(scaled_clips(tmp_path / "b.h5", actions, states), model=model)
        for name, weight in plain.model.encoder.state_dict().items():
            assert torch.equal(weight, other.model.encoder.state_dict()[name]), (actions, states, name)
        assert plain.validate() == other.validate()


@pytest.mark.parametrize(("actions", "states"), [(0.025, 1e-3), (40.0, 1e3)])
def test_any_units_give_the_same_skills_but_for_rounding(actions: float, states: float, tmp_path: Path) -> None:
    plain = trained(scaled_clips(tmp_path / "a.h5")).validate()
    other = trained(scaled_clips(tmp_path / "b.h5", actions, states, offset=3 * states)).validate()
    for name, value in plain.items():
        assert other[name] == pytest.approx(value, rel=0.02), name


def test_raw_units_are_what_collapsed(tmp_path: Path) -> None:
    small = scaled_clips(tmp_path / "a.h5", actions=0.01)
    raw, scaled = (trained(small, 200, units=units, beta=0.01).report().nats for units in ("raw", "scaled"))
    assert 2 * raw < scaled


@pytest.mark.parametrize("model", ["closed-loop", "open-loop"])
def test_the_exported_decoder_answers_in_true_units(model: str, tmp_path: Path) -> None:
    clips = scaled_clips(tmp_path / "a.h5", actions=40.0, bound=1.5)
    trainer = trained(clips, model=model)
    export_decoder(tmp_path / "decoder.safetensors", trainer.model, clips)
    save_skills(tmp_path / "model.safetensors", trainer.model, clips.action_dim)
    decoder, loaded = load_decoder(tmp_path / "decoder.safetensors"), load_skills(tmp_path / "model.safetensors")
    states = clips.states(np.arange(4))
    latent = np.array([0.5, -1.0], np.float32)
    decoder.begin(latent)
    acted = np.stack([decoder.act(state) for state in states])
    with torch.no_grad():
        seen = loaded.perceive(torch.from_numpy(states)[None])
        answered = loaded.decoder(seen, torch.from_numpy(latent)[None])[0].numpy()
    np.testing.assert_allclose(acted, 60.0 * answered, rtol=1e-4, atol=1e-3)  # half of the range of ±1.5 · 40


def test_far_bounds_are_replaced_by_the_spread(tmp_path: Path) -> None:
    near, far = scaled_clips(tmp_path / "a.h5"), scaled_clips(tmp_path / "b.h5", bound=1000.0)
    section = TrainSkillsSection.model_validate({**SMALL, "units": "scaled"})
    close, wide = make_action_scale(section, near), make_action_scale(section, far)
    assert close is not None and wide is not None
    torch.testing.assert_close(close.span, torch.ones(2))
    assert (wide.span < 10).all() and (wide.span > 1).all()
    assert make_action_scale(TrainSkillsSection.model_validate(SMALL), near) is None


def test_a_number_that_hardly_moves_is_told_by_the_others(tmp_path: Path) -> None:
    assert smallest_spread(np.array([1e-3, 2e-3, 1e-3, 0.0])) == pytest.approx(2e-5)
    section = TrainSkillsSection.model_validate({**SMALL, "units": "scaled"})
    clips = scaled_clips(tmp_path / "a.h5", states=1e-4)
    standardised = make_normalizer(section, clips)(torch.from_numpy(clips.states(clips.starts("train"))))
    assert 0.7 < standardised.std() < 1.4


def test_noise_may_be_a_share_of_the_spread(tmp_path: Path) -> None:
    noise = StateNoise(indices=("0:2",), sigma="3%")
    clips = scaled_clips(tmp_path / "a.h5", states=50.0)
    augmenter = make_augmenter(Augmentation(state_noise=(noise,)), clips, torch.Generator())
    _, spread = clips.statistics()
    np.testing.assert_allclose(augmenter.sigma.numpy(), [*(0.03 * spread[:2]), 0.0], rtol=1e-6)
    with pytest.raises(ValueError, match="pattern"):
        StateNoise(indices=(0,), sigma="3 percent")


def test_only_domains_of_known_units_are_left_as_they_are() -> None:
    for name in ("kitchen", "maze", "blocks", "paper/kitchen"):
        recipe = load_recipe(name)
        assert recipe.train_skills.units is None and recipe.train_rl.reward_scale != "auto", name
    recipe = load_recipe("gymnasium")
    assert (recipe.train_skills.units, recipe.train_rl.reward_scale) == ("scaled", "auto")
    kept = load_recipe("gymnasium", overrides=["train_skills.units=raw", "train_rl.reward_scale=0.1"])
    assert (kept.train_skills.units, kept.train_rl.reward_scale) == ("raw", 0.1)


def learned(scale: float) -> list[torch.Tensor]:
    """Weights after some updates on random transitions whose rewards are multiplied by a factor."""
    learning = make_learning(reward_scale="auto")
    rng = np.random.default_rng(0)
    states = rng.normal(size=(40, 3)).astype(np.float32)
    rewards = scale * np.where(rng.random(40) < 0.5, 0.0, rng.normal(size=40)).astype(np.float32)
    latents = rng.normal(size=(40, 2)).astype(np.float32)
    learning.replay.add(states, latents, rewards, states[::-1], np.zeros(40, np.float32))
    learning.simulated = 1000
    for _ in range(5):
        learning._learn()
    learning.vector.close()
    assert learning.sac.reward_scale * np.abs(rewards[rewards != 0]).mean() == pytest.approx(1.0)
    return [weight.clone() for weight in learning.sac.critics.state_dict().values()]


def test_the_size_of_rewards_changes_nothing_that_is_learned() -> None:
    plain = learned(1.0)
    for scale in (2.0**-7, 128.0):
        assert all(torch.equal(one, other) for one, other in zip(plain, learned(scale), strict=True))
    for one, other in zip(plain, learned(100.0), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_the_scale_waits_for_the_first_reward_and_survives_a_checkpoint(tmp_path: Path) -> None:
    learning, other = make_learning(reward_scale="auto"), make_learning(reward_scale="auto")
    zeros, states = np.zeros(4, np.float32), np.zeros((4, 3), np.float32)
    learning.replay.add(states, np.zeros((4, 2), np.float32), zeros, states, zeros)
    learning._batch()
    assert not learning.scale_found and learning.sac.reward_scale == 1.0
    learning.replay.add(states, np.zeros((4, 2), np.float32), zeros + 4, states, zeros)
    learning._batch()
    other.restore(learning.state(tmp_path), tmp_path)
    assert (other.scale_found, other.sac.reward_scale) == (True, 0.25)
    for one in (learning, other):
        one.vector.close()
