"""What is said about skills and priors that carry nothing, and that healthy ones pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spirl_cli.clips.reader import Clips
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.diagnosis import PriorReport, SkillReport, skill_report
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.reconstruction import Reconstruction
from spirl_cli.skills.skill_training import SkillTrainer
from tests.support.clip_data import make_clips

HEALTHY = SkillReport(nats=8.0, explained=0.9, skill_share=0.4, without_skill=0.5)
WINDOWS, HORIZON = 400, 5


class Decoder(torch.nn.Module):
    """Actions that mix a number of the state with a number of the skill."""

    def __init__(self, of_skill: float) -> None:
        super().__init__()
        self.of_skill = of_skill

    def forward(self, seen: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        return (1 - self.of_skill) * seen[..., :1] + self.of_skill * latent[:, None, :1]


def report(of_skill: float, sigma: float = 0.1) -> SkillReport:
    """Return the report of a decoder that is known, on windows that it reconstructs exactly."""
    model = SkillModel(TrainSkillsSection(latent_dim=2, horizon=HORIZON), 3, 1)
    model.decoder = Decoder(of_skill)
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(WINDOWS, HORIZON, 3, generator=generator)
    mean = torch.randn(WINDOWS, 2, generator=generator)
    actions = model.decoder(seen, mean)
    posterior = Gaussian(mean, torch.full_like(mean, float(np.log(sigma))))
    return skill_report(model, Reconstruction(seen, actions, actions, posterior))


def test_the_skills_share_of_the_action_is_that_of_the_decoder() -> None:
    """a = (1 − w)·s + w·z with s and z of variance 1: the skill decides w² of (1 − w)² + w²."""
    for weight in (0.0, 0.3, 0.5, 1.0):
        share = weight**2 / ((1 - weight) ** 2 + weight**2)
        found = report(weight)
        assert found.skill_share == pytest.approx(share, abs=0.12)
        # the mean over S other skills still holds 1/S of their variance, on either side of the difference
        assert found.without_skill == pytest.approx(1 - share * (1 + 1 / 8), abs=0.12)
        assert found.explained == pytest.approx(1.0, abs=1e-5)


def test_nats_are_those_of_all_dimensions_together() -> None:
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½(μ² + σ² − 1) − log σ, with μ of variance 1: −log σ + ½σ² per dimension."""
    assert report(0.5, sigma=0.1).nats == pytest.approx(2 * (np.log(10) + 0.005), rel=0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nats": 0.8}, "carries 0.8 nats in all"),
        ({"nats": 10.0, "skill_share": 0.01}, "decides 1.0% of the actions' variance"),
        ({"explained": -0.2}, "no better than by their mean"),
    ],
)
def test_each_kind_of_useless_skill_is_named_with_a_remedy(changes: dict[str, float], words: str) -> None:
    values = {**HEALTHY.__dict__, **changes}
    (said,) = SkillReport(**values).findings()
    assert words in said and "train_skills." in said
    assert list(HEALTHY.findings()) == []


def test_a_model_that_learned_nothing_is_found_out(tmp_path: Path) -> None:
    clips: Clips = make_clips(tmp_path / "clips.h5", state_dim=3, action_dim=2, horizon=5)
    settings = {"horizon": 5, "latent_dim": 2, "encoder_width": 16, "decoder_width": 16, "decoder_depth": 1}
    useless = SkillTrainer(TrainSkillsSection(beta=10.0, iterations=150, batch_size=32, **settings), clips, 0)
    for _ in range(150):
        useless.update()
    assert useless.report().nats < 0.1
    assert any("nats in all" in text for text in useless.report().findings())


def test_an_overtrained_prior_is_named_with_the_iterations_that_were_best() -> None:
    (said,) = PriorReport(-20.0, {200: -4.3, 1000: -7.0, 2000: -11.6}).findings()
    assert "-4.30 nats at 200 iterations" in said and "train_prior.iterations=200" in said
    assert list(PriorReport(-20.0, {200: -7.0, 2000: -4.3}).findings()) == []


def test_a_prior_that_knows_no_more_than_a_normal_distribution_is_named() -> None:
    (said,) = PriorReport(-4.4, {2000: -4.3}).findings()
    assert "0.1 nats more" in said
    assert PriorReport(-4.4, {2000: -4.3}).metrics() == {"validation/above_normal": pytest.approx(0.1)}
    assert PriorReport(-4.4, {2000: -4.3}, primitive=True).metrics() == {}
