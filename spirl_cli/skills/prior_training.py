"""Training of the prior on the frozen encoder's posteriors (docs/method.md#prior-loss)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spirl_cli.clips.reader import Clips, Split
from spirl_cli.monitor.checkpoint import State
from spirl_cli.monitor.parts import Parts, attribute_part
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.skills import Augmentation
from spirl_cli.skills.diagnosis import LIKELIHOOD, PriorReport
from spirl_cli.skills.ensemble import Ensemble
from spirl_cli.skills.families import make_prior
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.optimization import make_optimizer, scheduled_rate, set_learning_rate
from spirl_cli.skills.precision import Products
from spirl_cli.skills.preparation import (
    VALIDATION_WINDOWS,
    make_augmenter,
    random_streams,
    training_parts,
)
from spirl_cli.skills.sampling import WindowSampler, add_images, spread, windows
from spirl_cli.skills.side_by_side import Losses, SideBySide, in_parts

SPLITS: tuple[Split, ...] = ("train", "validation")


class PriorTrainer:
    """Matches p(z | s₁) to the frozen encoder's posterior.

    The encoder is frozen. So the posteriors of all windows are computed once, if training draws more windows than there
    are.

    Args:
        section: the recipe's `train_prior`.
        clips: the clip dataset.
        skills: the trained skill model, or None for primitive actions (behaviour cloning: z = a₁).
        normalizer: standardises the states (the skills' own).
        latent_dim: K.
        seed: seeds weights, windows, noise and samples.
    """

    def __init__(
        self,
        section: TrainPriorSection,
        clips: Clips,
        skills: SkillModel | None,
        normalizer: Normalizer,
        latent_dim: int,
        seed: int,
        device: str = "cpu",
    ) -> None:
        self.section, self.clips, self.device = section, clips, device
        self.rng, self.generator, self.noise = random_streams(seed)
        self.products = Products(section.precision, device)
        self.prior = make_prior(section, normalizer, latent_dim, clips.image_shape).to(device)
        self.optimizer = make_optimizer(section.optimizer, self.prior.parameters(), section.learning_rate)
        self.gradients = SideBySide(list(self.prior.parameters()), section.batch_parts or 1)
        self.sampler = WindowSampler(clips, "train", section.sampling, self.rng)
        self.augment = make_augmenter(section.augmentation or Augmentation(), clips, self.noise)
        drawn = {"train": section.iterations * section.batch_size, "validation": VALIDATION_WINDOWS}
        self.targets: dict[Split, SkillTargets] = {
            split: SkillTargets(clips, clips.starts(split), skills, drawn[split]) for split in SPLITS
        }
        self.iteration = 0
        self._parts = Parts(
            attribute_part(self, "iteration"),
            *training_parts(self.prior, self.optimizer, self.rng, self.generator, self.noise),
        )

    def update(self) -> dict[str, Tensor]:
        """Take one gradient step on a random batch; return the loss (not yet synchronised)."""
        section = self.section
        starts = self.sampler.draw(section.batch_size)
        states, posterior = self.targets["train"].at(starts)
        latent = posterior.sample(self.generator)
        states = self.augment.states(states.unsqueeze(1)).squeeze(1)
        observations = self._observations(states, starts)
        posterior = Gaussian(posterior.mean.to(self.device), posterior.log_sigma.to(self.device))
        batch = in_parts((observations, *posterior, latent.to(self.device)), self.gradients.parts)
        told = self.gradients.backward(lambda part: self._losses(*batch[part]))
        set_learning_rate(
            self.optimizer,
            scheduled_rate(section.schedule, section.learning_rate, self.iteration, section.iterations),
        )
        if section.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.prior.parameters(), section.max_gradient_norm)
        self.optimizer.step()
        self.iteration += 1
        return told

    def _losses(self, observations: Tensor, mean: Tensor, log_sigma: Tensor, latent: Tensor) -> Losses:
        """Return L_prior of a batch, or of a part of it, see `PriorNetwork.loss`."""
        with self.products():
            loss = self.prior.loss(observations, Gaussian(mean, log_sigma), latent, self.section.objective)
        return loss, {"loss": loss}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the log-likelihood of the posteriors' samples on the validation episodes, nats per skill.

        For an ensemble, `divergence` (nats) is the reference for its divergence in other states.
        """
        generator = torch.Generator().manual_seed(0)
        self.prior.eval()
        targets = self.targets["validation"]
        starts = spread(targets.starts, VALIDATION_WINDOWS)
        states, posterior = targets.at(starts)
        latent = posterior.sample(generator).to(self.device)
        density = self.prior(self._observations(states, starts))
        metrics = {LIKELIHOOD: float(density.log_prob(latent).mean())}
        if isinstance(density, Ensemble):
            metrics["validation/divergence"] = float(density.divergence().mean())
        self.prior.train()
        return metrics

    @torch.no_grad()
    def report(self, rows: Sequence[Mapping[str, float]]) -> PriorReport:
        """Compare the prior with N(0, I) and with what it was earlier in its training.

        Args:
            rows: of the run's metrics, `step` and the values of each.
        """
        targets = self.targets["validation"]
        _, posterior = targets.at(spread(targets.starts, VALIDATION_WINDOWS))
        latent = posterior.sample(torch.Generator().manual_seed(0))
        normal = Gaussian.standard_like(posterior).log_prob(latent).mean()
        curve = {int(row["step"]): row[LIKELIHOOD] for row in rows if LIKELIHOOD in row}
        return PriorReport(float(normal), curve, primitive=targets.skills is None)

    def _observations(self, states: Tensor, starts: NDArray[np.int64]) -> Tensor:
        """Return states `(B, D)` with the images at these rows `(B,)` if the prior sees images, `(B, D+P)`."""
        return (states if self.section.image is None else add_images(states, self.clips, starts)).to(self.device)

    def state(self, folder: Path) -> State:
        """Return everything that an identical continuation needs."""
        return self._parts.state(folder)

    def restore(self, state: State, folder: Path) -> None:
        """Continue from a saved state."""
        self._parts.restore(state, folder)


class SkillTargets:
    """First states of windows and the posteriors q(z | clip) that the prior must match.

    Primitive actions have no encoder. Their "posterior" is the demonstrated action, with the smallest σ.

    Args:
        starts: starts of all windows that may be requested.
        skills: the trained skill model, or None for primitive actions.
        drawn: number of requests; if it exceeds the number of windows, all posteriors are computed now.
    """

    def __init__(self, clips: Clips, starts: NDArray[np.int64], skills: SkillModel | None, drawn: int) -> None:
        self.clips, self.starts, self.skills = clips, starts, skills
        self.remembered = self._all() if len(starts) <= drawn else None

    def _all(self) -> Gaussian:
        chunks = np.array_split(self.starts, max(1, len(self.starts) // 1024))
        parts = [self._posterior(chunk) for chunk in chunks]
        return Gaussian(torch.cat([part.mean for part in parts]), torch.cat([part.log_sigma for part in parts]))

    @torch.no_grad()
    def _posterior(self, starts: NDArray[np.int64]) -> Gaussian:
        states, actions = windows(self.clips, starts)
        if self.skills is None:
            first = actions[:, 0]
            return Gaussian(first, torch.full_like(first, -10.0))
        self.skills.eval()
        return self.skills.encode(self.skills.normalizer(states), actions)

    def at(self, starts: NDArray[np.int64]) -> tuple[Tensor, Gaussian]:
        """Return the first states `(B, D)` of the windows at these starts, and their posteriors `(B, K)`."""
        states = torch.from_numpy(self.clips.states(starts))
        if self.remembered is None:
            return states, self._posterior(starts)
        rows = torch.from_numpy(np.searchsorted(self.starts, starts))
        return states, Gaussian(self.remembered.mean[rows], self.remembered.log_sigma[rows])
