"""`precision`: products in bfloat16, everything else in float32; and the kinds of encoders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spirl_cli.clips.reader import Clips
from spirl_cli.pipeline.graph import stage
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.model_files import load_skills, save_skills
from spirl_cli.skills.precision import Products, has_bfloat16, uses_bfloat16
from spirl_cli.skills.prior_training import PriorTrainer
from spirl_cli.skills.sampling import windows
from spirl_cli.skills.skill_training import SkillTrainer
from tests.support.clip_data import make_clips

SIZES = {"horizon": 4, "batch_size": 32, "encoder_width": 32, "decoder_width": 32}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return make_clips(tmp_path_factory.mktemp("clips") / "clips.h5", state_dim=5, action_dim=3, horizon=4)


def skill_trainer(clips: Clips, **changes: object) -> SkillTrainer:
    return SkillTrainer(TrainSkillsSection.model_validate({**SIZES, **changes}), clips, seed=0)


@pytest.mark.parametrize("changes", [{}, {"model": "open-loop"}, {"encoder": "mlp"}, {"encoder": "conv"}])
def test_bfloat16_skills_learn_nearly_the_same(clips: Clips, changes: dict[str, object]) -> None:
    exact, rough = (skill_trainer(clips, precision=one, **changes) for one in (None, "bfloat16"))
    for trainer in (exact, rough):
        told = [float(trainer.update()["reconstruction"]) for _ in range(30)]
        assert told[-1] < 0.8 * told[0]
    theirs, ours = exact.validate(), rough.validate()
    assert ours != theirs  # or nothing was multiplied in bfloat16
    assert ours == pytest.approx(theirs, rel=0.1, abs=0.02)


@pytest.mark.parametrize("changes", [{}, {"model": "open-loop"}, {"encoder": "mlp"}, {"encoder": "conv"}])
def test_every_weight_gets_a_gradient_and_stays_float32(clips: Clips, changes: dict[str, object]) -> None:
    trainer = skill_trainer(clips, precision="bfloat16", **changes)
    trainer.update()
    for name, parameter in trainer.model.named_parameters():
        assert parameter.dtype == torch.float32, name
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_bfloat16_priors_learn_nearly_the_same(clips: Clips) -> None:
    skills = skill_trainer(clips).model
    found = []
    for precision in (None, "bfloat16"):
        section = TrainPriorSection(width=32, depth=3, batch_size=32, precision=precision)
        trainer = PriorTrainer(section, clips, skills, skills.normalizer, 10, seed=0)
        for _ in range(30):
            trainer.update()
        found.append(trainer.validate()["validation/log_likelihood"])
    assert found[0] != found[1] and found[1] == pytest.approx(found[0], abs=0.5)


def test_float32_is_what_recipes_without_the_key_have() -> None:
    for name, section in (("skills", "train_skills"), ("prior", "train_prior"), ("agent", "train_rl")):
        parameters = [
            stage(name).parameters(load_recipe("kitchen", overrides=overrides))[section]["precision"]
            for overrides in ([], [f"{section}.precision=float32"], [f"{section}.precision=auto"])
        ]
        assert parameters == [None, None, "auto"]


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16 sse\n", True),
        ("flags : fpu amx_bf16 amx_tile\n", True),
        ("Features : fp asimd bf16\n", True),
        ("flags : fpu avx2 avx512f\nmodel name : bf16\n", False),
        ("", False),
    ],
)
def test_processors_with_bfloat16_are_recognised(text: str, has: bool, tmp_path: Path) -> None:
    described = tmp_path / "cpuinfo"
    described.write_text(text)
    assert has_bfloat16("cpu", described) is has
    assert not has_bfloat16("cpu", tmp_path / "missing")


def test_auto_is_bfloat16_where_the_processor_has_it() -> None:
    assert uses_bfloat16("auto", "cpu") is has_bfloat16("cpu")
    assert uses_bfloat16("bfloat16", "cpu") and not uses_bfloat16(None, "cpu")
    with Products("bfloat16", "cpu")():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize("encoder", ["mlp", "conv"])
def test_encoders_are_stored_and_see_every_step(clips: Clips, encoder: str, tmp_path: Path) -> None:
    model = skill_trainer(clips, encoder=encoder).model.eval()
    save_skills(tmp_path / "model.safetensors", model, clips.action_dim)
    loaded = load_skills(tmp_path / "model.safetensors")
    states, actions = windows(clips, clips.starts("train")[:3])
    mean = model.encode(states, actions).mean
    assert mean.shape == (3, 10) and torch.equal(loaded.encode(states, actions).mean, mean)
    for step in range(clips.horizon):
        changed = actions.clone()
        changed[:, step] += 1.0
        assert not torch.allclose(model.encode(states, changed).mean, mean)


@pytest.mark.parametrize("model", ["closed-loop", "open-loop"])
def test_merged_layers_are_the_same_function(clips: Clips, model: str) -> None:
    plain, merged = (skill_trainer(clips, model=model, precision=one).model for one in (None, "bfloat16"))
    merged.load_state_dict(plain.state_dict())
    states, actions = windows(clips, clips.starts("train")[:6])
    noise = torch.randn(6, 10)
    for (expected, posterior), (actual, found) in [(plain(states, actions, noise), merged(states, actions, noise))]:
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(found.mean, posterior.mean, rtol=1e-4, atol=1e-6)
