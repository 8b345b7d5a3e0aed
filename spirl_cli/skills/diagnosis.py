"""What skills and priors have learned: how much a skill carries and decides, how much the prior knows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from spirl_cli.skills.models import SkillModel, rate
from spirl_cli.skills.reconstruction import Reconstruction

OTHER_SKILLS = 8  # of other windows, decoded in each state

# Chosen between collapsed and healthy runs: a pendulum with actions in ±0.05 (0.00 nats) and in ±2 (7 nats), the maze's
# demo (10 nats, share 0.5), recordings of other robots whose skills carried 0.8 nats, or 10 that the decoder ignored.
FEWEST_NATS = 2.0
SMALLEST_SHARE = 0.05
SMALLEST_GAIN = 0.05
OVERTRAINED = 0.5  # nats that a prior has lost since its best validation
LEAST_KNOWN = 0.5  # nats above N(0, I)
LIKELIHOOD = "validation/log_likelihood"


@dataclass(frozen=True)
class SkillReport:
    """What the skills of held-out windows tell.

    Attributes:
        nats: KL(q ‖ N(0, I)) of a skill, all latent dimensions together: what it can tell the decoder.
        explained: 1 − error / variance: share of the actions' variance that is reconstructed; at most 1, and 0 where
            the mean action would do as well.
        skill_share: variance of the decoded action over the skills of other windows, in the same state, as a share of
            the actions' variance: how much of the action the *skill* decides.
        without_skill: `explained` of the mean over those skills: what is reconstructed from the state alone.
    """

    nats: float
    explained: float
    skill_share: float
    without_skill: float

    def metrics(self) -> dict[str, float]:
        """Return the numbers as metrics of a validation."""
        return {
            "validation/nats": self.nats,
            "validation/explained": self.explained,
            "validation/skill_share": self.skill_share,
            "validation/without_skill": self.without_skill,
        }

    def findings(self) -> Iterator[str]:
        """Yield a sentence with a remedy for each sign that the skills are of no use."""
        if self.nats < FEWEST_NATS:
            yield (
                f"a skill carries {self.nats:.2g} nats in all (fewer than {FEWEST_NATS:g}): the decoder gets hardly "
                "anything from it, and the prior has nothing to know. Lower train_skills.beta, or tune it with "
                "--set train_skills.target_kl=1"
            )
        elif self.skill_share < SMALLEST_SHARE:
            yield (
                f"a skill decides {self.skill_share:.1%} of the actions' variance in a given state, although it "
                f"carries {self.nats:.2g} nats: the decoder acts on the state alone. Let it see less of the state with "
                "train_skills.state_indices (not the goal, not the objects), or lengthen train_skills.horizon"
            )
        if self.explained < SMALLEST_GAIN:
            yield (
                f"held-out actions are reconstructed no better than by their mean (explained {self.explained:.2f}): "
                "train longer (train_skills.iterations), or look at the data with `spirl show` of the clips"
            )


@dataclass(frozen=True)
class PriorReport:
    """What a prior knows of held-out skills.

    Attributes:
        normal: mean log-likelihood of the same skills under N(0, I), nats.
        curve: mean log-likelihood of held-out skills by iteration, nats.
        primitive: the skills are primitive actions, which N(0, I) is nothing to compare with.
    """

    normal: float
    curve: Mapping[int, float]
    primitive: bool = False

    def metrics(self) -> dict[str, float]:
        """Return the nats above N(0, I); nothing for primitive actions."""
        if self.primitive or not self.curve:
            return {}
        return {"validation/above_normal": self._last - self.normal}

    def findings(self) -> Iterator[str]:
        """Yield a sentence with a remedy for each sign that the prior could be better."""
        if not self.curve:
            return
        if not self.primitive and self._last - self.normal < LEAST_KNOWN:
            yield (
                f"the prior knows {self._last - self.normal:.2g} nats more of held-out skills than N(0, I): the state "
                "tells it nothing about the skill. See what train-skills said of the skills, and whether "
                "train_prior.state_indices or train_prior.image shows what decides"
            )
        best = max(self.curve, key=lambda step: self.curve[step])
        if self.curve[best] - self._last > OVERTRAINED:
            yield (
                f"training went past the best prior: held-out skills had {self.curve[best]:.2f} nats at "
                f"{best:,} iterations and have {self._last:.2f} now. Set train_prior.iterations={best}, or get more "
                "demonstrations"
            )

    @property
    def _last(self) -> float:
        return self.curve[max(self.curve)]


@torch.no_grad()
def skill_report(model: SkillModel, windows: Reconstruction) -> SkillReport:
    """Look at what a model makes of held-out windows.

    Args:
        model: in evaluation mode.
        windows: `(B, H, …)` held-out windows and their reconstruction.
    """
    generator = torch.Generator().manual_seed(1)
    skills = windows.posterior.mean
    decoded = torch.stack(
        [model.decoder(windows.seen, skills[_others(skills, generator)]) for _ in range(OTHER_SKILLS)]
    )  # (S, B, H, A)
    spread = decoded.var(0, unbiased=True).mean()
    variance = windows.actions.flatten(0, 1).var(0, unbiased=False).mean()  # over windows and steps
    return SkillReport(
        nats=float(rate(windows.posterior)) * model.section.latent_dim,
        explained=_explained(windows.actions, windows.predicted, variance),
        skill_share=float(spread / variance) if variance > 0 else 0.0,
        without_skill=_explained(windows.actions, decoded.mean(0), variance),
    )


def _others(skills: Tensor, generator: torch.Generator) -> Tensor:
    """Return which window each window borrows its skill from, `(B,)`."""
    return torch.randperm(len(skills), generator=generator).to(skills.device)


def _explained(actions: Tensor, predicted: Tensor, variance: Tensor) -> float:
    """Return 1 − error / variance; 0 where the actions never change."""
    return float(1 - (actions - predicted).square().mean() / variance) if variance > 0 else 0.0
