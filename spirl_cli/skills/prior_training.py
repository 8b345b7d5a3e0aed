"""Training of the prior on the frozen encoder's posteriors (METHOD §1: the same result as training both at once)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spirl_cli.clips import Clips, Split
from spirl_cli.monitor.checkpoint import State, merge
from spirl_cli.recipe.schema import Augmentation, TrainPriorSection
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.optimization import make_optimizer, scheduled_rate, set_learning_rate
from spirl_cli.skills.prior import make_prior, prior_loss
from spirl_cli.skills.sampling import WindowSampler, spread, windows
from spirl_cli.skills.training import (
    VALIDATION_WINDOWS,
    make_augmenter,
    pack_training,
    random_streams,
    unpack_training,
)

SPLITS: tuple[Split, ...] = ("train", "validation")


class PriorTrainer:
    """Matches p(z | s₁) to the frozen encoder's posterior.

    The encoder never changes here, so the posteriors of all windows are computed once.

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
        self.prior = make_prior(section, normalizer, latent_dim).to(device)
        self.optimizer = make_optimizer(section.optimizer, self.prior.parameters(), section.learning_rate)
        self.sampler = WindowSampler(clips, "train", section.sampling, self.rng)
        self.augment = make_augmenter(section.augmentation or Augmentation(), clips, self.noise)
        self.targets: dict[Split, SkillTargets] = {
            split: SkillTargets(clips, clips.starts(split), skills) for split in SPLITS
        }
        self.iteration = 0

    def update(self) -> dict[str, Tensor]:
        """One gradient step on a random batch; returns the loss (not yet synchronised)."""
        section = self.section
        states, posterior = self.targets["train"].at(self.sampler.draw(section.batch_size))
        latent = posterior.sample(self.generator)
        states = self.augment.states(states.unsqueeze(1)).squeeze(1)
        predicted = self.prior(states.to(self.device))
        posterior = Gaussian(posterior.mean.to(self.device), posterior.log_sigma.to(self.device))
        loss = prior_loss(predicted, posterior, latent.to(self.device), section.objective)
        set_learning_rate(
            self.optimizer,
            scheduled_rate(section.schedule, section.learning_rate, self.iteration, section.iterations),
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if section.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.prior.parameters(), section.max_gradient_norm)
        self.optimizer.step()
        self.iteration += 1
        return {"loss": loss.detach()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Log-likelihood of the posterior's samples on the validation episodes, nats per skill."""
        generator = torch.Generator().manual_seed(0)
        self.prior.eval()
        targets = self.targets["validation"]
        states, posterior = targets.at(spread(targets.starts, VALIDATION_WINDOWS))
        latent = posterior.sample(generator).to(self.device)
        likelihood = self.prior(states.to(self.device)).log_prob(latent).mean()
        self.prior.train()
        return {"validation/log_likelihood": float(likelihood)}

    def state(self, folder: Path) -> State:
        """Everything that an identical continuation needs."""
        own = State(scalars={"iteration": self.iteration})
        return merge(own, pack_training(self.prior, self.optimizer, self.rng, self.generator, self.noise))

    def restore(self, state: State, folder: Path) -> None:
        """Continue from a saved state."""
        unpack_training(state, self.prior, self.optimizer, self.rng, self.generator, self.noise)
        self.iteration = state.scalars["iteration"]


class SkillTargets:
    """First states of windows and the posteriors q(z | clip) that the prior must match.

    Primitive actions have no encoder: their "posterior" is the demonstrated action itself, with
    the smallest σ.
    """

    def __init__(self, clips: Clips, starts: NDArray[np.int64], skills: SkillModel | None) -> None:
        self.clips, self.starts = clips, starts
        parts = [self._posterior(chunk, skills) for chunk in np.array_split(starts, max(1, len(starts) // 1024))]
        self.posterior = Gaussian(
            torch.cat([part.mean for part in parts]), torch.cat([part.log_sigma for part in parts])
        )

    @torch.no_grad()
    def _posterior(self, starts: NDArray[np.int64], skills: SkillModel | None) -> Gaussian:
        states, actions = windows(self.clips, starts)
        if skills is None:
            first = actions[:, 0]
            return Gaussian(first, torch.full_like(first, -10.0))
        skills.eval()
        return skills.encode(skills.normalizer(states), actions)

    def at(self, starts: NDArray[np.int64]) -> tuple[Tensor, Gaussian]:
        """(B, D) first states of the windows at these starts, and their posteriors (B, K)."""
        rows = torch.from_numpy(np.searchsorted(self.starts, starts))
        states = torch.from_numpy(self.clips.states(starts))
        return states, Gaussian(self.posterior.mean[rows], self.posterior.log_sigma[rows])
