"""Training of the skill VAE and of its prior (paper §3.2; METHOD §1: two stages with the same result as one)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spirl_cli.clips import Clips, Split
from spirl_cli.monitor.checkpoint import State, merge
from spirl_cli.monitor.packing import (
    pack_generator,
    pack_module,
    pack_numpy_generator,
    pack_optimizer,
    unpack_generator,
    unpack_module,
    unpack_numpy_generator,
    unpack_optimizer,
)
from spirl_cli.recipe.schema import Augmentation, TrainPriorSection, TrainSkillsSection
from spirl_cli.skills.augmentation import Augmenter
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.models import SkillModel, rate, reconstruction_error
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.optimization import make_optimizer, scheduled_rate, set_learning_rate
from spirl_cli.skills.prior import make_prior, prior_loss
from spirl_cli.skills.sampling import WindowSampler, windows

SPLITS: tuple[Split, ...] = ("train", "validation")
BETA_LEARNING_RATE = 1e-2  # of log β, when a target KL tunes it
VALIDATION_WINDOWS = 2048  # at most so many, evenly spread over the validation episodes
BEST_OF_WINDOWS = 128


class SkillTrainer:
    """Minimises L_skill = reconstruction + β·KL(q ‖ N(0, I)), with β fixed or tuned to a target KL.

    Args:
        section: the recipe's `train_skills`.
        clips: the clip dataset.
        seed: seeds weights, windows, noise and samples.
        device: of the networks; random numbers are drawn on the CPU, so that they are the same everywhere.
    """

    def __init__(self, section: TrainSkillsSection, clips: Clips, seed: int, device: str = "cpu") -> None:
        self.section, self.clips, self.device = section, clips, device
        self.rng, self.generator, self.noise = random_streams(seed)
        self.model = SkillModel(section, clips.observation_dim, clips.action_dim, make_normalizer(section, clips))
        self.model.to(device)
        self.optimizer = make_optimizer(section.optimizer, self.model.parameters(), section.learning_rate)
        self.sampler = WindowSampler(clips, "train", section.sampling, self.rng)
        self.augment = make_augmenter(section.augmentation, clips, self.noise)
        self.log_beta = math.log(max(section.beta, 1e-12))
        self.iteration = 0

    @property
    def beta(self) -> float:
        """The current weight of the KL term."""
        return math.exp(self.log_beta) if self.section.target_kl else self.section.beta

    def update(self) -> dict[str, Tensor]:
        """One gradient step on a random batch; returns the losses (not yet synchronised)."""
        section = self.section
        clip = windows(self.clips, self.sampler.draw(section.batch_size))
        seen, targets = self._to_device(*self.augment(*clip))  # by the decoder
        states, actions = (seen, targets) if section.augmentation.encoder else self._to_device(*clip)
        predicted, posterior = self.model(states, actions, self.generator, seen)
        reconstruction, kl = reconstruction_error(targets, predicted), rate(posterior)
        loss = reconstruction + self.beta * kl
        set_learning_rate(
            self.optimizer,
            scheduled_rate(section.schedule, section.learning_rate, self.iteration, section.iterations),
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if section.target_kl is not None:  # dual descent: β grows while the KL is above its target
            self.log_beta += BETA_LEARNING_RATE * float(kl.detach() - section.target_kl)
        self.iteration += 1
        return {"reconstruction": reconstruction.detach(), "kl": kl.detach()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Reconstruction, KL and best-of-N on the validation episodes, unaugmented.

        ``best_of`` is the error of the closest of N skills drawn from N(0, I), the mean over windows:
        it tells whether the latent space itself covers the behaviour.
        """
        generator = torch.Generator().manual_seed(0)
        self.model.eval()
        starts = spread(self.clips.starts("validation"), VALIDATION_WINDOWS)
        states, actions = self._to_device(*windows(self.clips, starts))
        predicted, posterior = self.model(states, actions, generator)
        figures = {
            "validation/reconstruction": float(reconstruction_error(actions, predicted)),
            "validation/kl": float(rate(posterior)),
            "validation/best_of": self._best_of(states, actions, generator),
        }
        self.model.train()
        return figures

    def _to_device(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.to(self.device) for tensor in tensors)

    def _best_of(self, states: Tensor, actions: Tensor, generator: torch.Generator) -> float:
        chosen = torch.from_numpy(spread(np.arange(len(states)), BEST_OF_WINDOWS))
        states, actions = self.model.normalizer(states[chosen]), actions[chosen]
        best = torch.full((len(chosen),), math.inf, device=self.device)
        for _ in range(self.section.best_of):
            latent = torch.randn((len(chosen), self.section.latent_dim), generator=generator).to(self.device)
            error = 0.5 * (self.model.decoder(states, latent) - actions).square().mean((1, 2))
            best = torch.minimum(best, error)
        return float(best.mean())

    def state(self, folder: Path) -> State:
        """Everything that an identical continuation needs."""
        own = State(scalars={"log_beta": self.log_beta, "iteration": self.iteration})
        return merge(own, pack_training(self.model, self.optimizer, self.rng, self.generator, self.noise))

    def restore(self, state: State, folder: Path) -> None:
        """Continue from a saved state."""
        unpack_training(state, self.model, self.optimizer, self.rng, self.generator, self.noise)
        self.log_beta, self.iteration = state.scalars["log_beta"], state.scalars["iteration"]


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
        self.targets: dict[Split, SkillTargets] = {split: SkillTargets(clips, clips.starts(split), skills) for split in SPLITS}
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


def random_streams(seed: int) -> tuple[np.random.Generator, torch.Generator, torch.Generator]:
    """Generators for windows, samples and augmentation; seeds torch's own for the initial weights."""
    weights, draws, samples, noise = np.random.SeedSequence(seed).generate_state(4)
    torch.manual_seed(int(weights))
    return (
        np.random.default_rng(int(draws)),
        torch.Generator().manual_seed(int(samples)),
        torch.Generator().manual_seed(int(noise)),
    )


def make_normalizer(section: TrainSkillsSection, clips: Clips) -> Normalizer:
    """The standardisation that a recipe asks for, from the training episodes."""
    if not section.normalize:
        return Normalizer.identity(clips.observation_dim)
    mean, std = clips.statistics()
    return Normalizer(torch.from_numpy(mean), torch.from_numpy(std))


def make_augmenter(section: Augmentation, clips: Clips, generator: torch.Generator) -> Augmenter:
    """An augmenter that draws swapped states from the starts of the training windows."""
    pool = clips.states(clips.starts("train")) if section.swap_groups else np.zeros((1, clips.observation_dim))
    low, high = torch.from_numpy(clips.action_low), torch.from_numpy(clips.action_high)
    return Augmenter(section, torch.from_numpy(pool).float(), low, high, generator)


def spread(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most ``count`` of the values, evenly spread."""
    if len(values) <= count:
        return values
    return values[np.linspace(0, len(values) - 1, count).astype(int)]


def pack_training(
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    *generators: torch.Generator,
) -> State:
    """Weights, optimiser and random states, for a checkpoint."""
    return merge(
        pack_module(module, "model"),
        pack_optimizer(optimizer, "optimizer"),
        pack_numpy_generator(rng, "windows"),
        *(pack_generator(generator, f"generator{index}") for index, generator in enumerate(generators)),
    )


def unpack_training(
    state: State,
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    *generators: torch.Generator,
) -> None:
    """Inverse of :func:`pack_training`."""
    unpack_module(module, "model", state)
    unpack_optimizer(optimizer, "optimizer", state)
    unpack_numpy_generator(rng, "windows", state)
    for index, generator in enumerate(generators):
        unpack_generator(generator, f"generator{index}", state)
