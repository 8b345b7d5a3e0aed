"""Parts of a batch: the same result on any number of threads, and nearly that of whole batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from spirl_cli.clips.reader import Clips
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.prior_training import PriorTrainer
from spirl_cli.skills.side_by_side import SideBySide
from spirl_cli.skills.skill_training import SkillTrainer
from tests.support.clip_data import make_clips


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return make_clips(tmp_path_factory.mktemp("clips") / "clips.h5", state_dim=5, action_dim=3, horizon=4)


def weights_after(clips: Clips, updates: int, threads: int | None = None, **changes: object) -> torch.Tensor:
    section = TrainSkillsSection.model_validate({"horizon": clips.horizon, "batch_size": 12, **changes})
    trainer = SkillTrainer(section, clips, seed=0)
    if threads is not None:
        trainer.gradients = SideBySide(trainer.gradients.parameters, section.batch_parts or 1, threads)
    for _ in range(updates):
        told = trainer.update()
        assert told.keys() == {"reconstruction", "kl"} and not told["kl"].requires_grad
    return torch.cat([parameter.detach().flatten() for parameter in trainer.model.parameters()])


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_weights_do_not_depend_on_the_number_of_threads(clips: Clips, parts: int) -> None:
    one, *others = (weights_after(clips, 8, threads, batch_parts=parts) for threads in (1, 2, 5))
    for other in others:
        assert torch.equal(one, other)


@pytest.mark.parametrize("changes", [{}, {"model": "open-loop"}, {"decoder_steps": 2, "target_kl": 1.0}])
def test_parts_learn_what_whole_batches_learn(clips: Clips, changes: dict[str, object]) -> None:
    whole, parts = (weights_after(clips, 1, batch_parts=parts, optimizer="radam", **changes) for parts in (None, 2))
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-5)


def test_gradients_are_means_over_the_parts() -> None:
    weight = nn.Parameter(torch.ones(2))
    factors = torch.tensor([1.0, 2.0, 6.0])
    told = SideBySide([weight], 3).backward(lambda part: (factors[part] * weight.sum(), {"factor": factors[part]}))
    assert weight.grad is not None and torch.equal(weight.grad, torch.full((2,), 3.0)) and told["factor"] == 3.0


def test_errors_of_other_threads_arrive() -> None:
    def losses(part: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if part:
            raise RuntimeError("of the second part")
        return weight.sum(), {}

    weight = nn.Parameter(torch.ones(2))
    with pytest.raises(RuntimeError, match="of the second part"):
        SideBySide([weight], 2, threads=2).backward(losses)


@pytest.mark.parametrize("changes", [{"batch_size": 10, "batch_parts": 4}, {"batch_parts": 2, "batch_norm": True}])
def test_batches_that_have_no_such_parts_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="batch_parts"):
        TrainSkillsSection.model_validate(changes)


def test_checkpoints_restore_parts(clips: Clips, tmp_path: Path) -> None:
    section = TrainSkillsSection(horizon=clips.horizon, batch_size=12, batch_parts=2, encoder="mlp")
    first, second = (SkillTrainer(section, clips, seed=seed) for seed in (0, 1))
    first.update()
    second.restore(first.state(tmp_path), tmp_path)
    for trainer in (first, second):
        trainer.update()
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_priors_learn_in_parts_too(clips: Clips) -> None:
    skills = SkillTrainer(TrainSkillsSection(horizon=clips.horizon), clips, seed=0).model
    found = []
    for parts in (None, 2):
        section = TrainPriorSection(width=16, depth=2, batch_size=12, optimizer="radam", batch_parts=parts)
        trainer = PriorTrainer(section, clips, skills, skills.normalizer, 10, seed=0)
        trainer.update()
        found.append(torch.cat([parameter.detach().flatten() for parameter in trainer.prior.parameters()]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-5)
