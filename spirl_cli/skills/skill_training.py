"""Training of the skill VAE (paper §3.2)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spirl_cli.clips.reader import Clips
from spirl_cli.monitor.checkpoint import State
from spirl_cli.monitor.parts import Parts, attribute_part
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.diagnosis import SkillReport, skill_report
from spirl_cli.skills.models import SkillModel, rate, reconstruction_error
from spirl_cli.skills.optimization import make_optimizer, scheduled_rate, set_learning_rate
from spirl_cli.skills.precision import Products
from spirl_cli.skills.preparation import (
    VALIDATION_WINDOWS,
    make_action_scale,
    make_augmenter,
    make_normalizer,
    random_streams,
    training_parts,
)
from spirl_cli.skills.reconstruction import observe, reconstruct
from spirl_cli.skills.sampling import WindowSampler, spread, window_rows, windows
from spirl_cli.skills.side_by_side import Losses, SideBySide, in_parts

BETA_LEARNING_RATE = 1e-2  # learning rate of log β, if a target KL tunes it
BEST_OF_WINDOWS = 128


class Batch(NamedTuple):
    """Windows `(B, …)` for one gradient step.

    Attributes:
        states, actions: input of the encoder, `(B, H, D)` and `(B, H, A)`.
        observations, targets: input and target of the decoder, `(B, h, D+P)` and `(B, h, A)`.
        noise: of the sample of the posterior, `(B, K)`.
    """

    states: Tensor
    actions: Tensor
    observations: Tensor
    targets: Tensor
    noise: Tensor


class SkillTrainer:
    """Minimises L_skill = reconstruction + β·KL(q ‖ N(0, I)), with β fixed or tuned to a target KL.

    Args:
        section: the recipe's `train_skills`.
        clips: the clip dataset.
        seed: seeds weights, windows, noise and samples.
        device: device of the networks; random numbers are drawn on the CPU, so that they are equal on all devices.
    """

    def __init__(self, section: TrainSkillsSection, clips: Clips, seed: int, device: str = "cpu") -> None:
        self.section, self.clips, self.device = section, clips, device
        self.rng, self.generator, self.noise = random_streams(seed)
        self.products = Products(section.precision, device)
        normalizer = make_normalizer(section, clips)
        scale = make_action_scale(section, clips)
        self.model = SkillModel(section, clips.observation_dim, clips.action_dim, normalizer, clips.image_shape, scale)
        self.model.to(device)
        self.optimizer = make_optimizer(section.optimizer, self.model.parameters(), section.learning_rate)
        self.gradients = SideBySide(list(self.model.parameters()), section.batch_parts or 1)
        self.sampler = WindowSampler(clips, "train", section.sampling, self.rng)
        self.augment = make_augmenter(section.augmentation, clips, self.noise)
        self.log_beta = math.log(max(section.beta, 1e-12))
        self.iteration = 0
        self._parts = Parts(
            attribute_part(self, "log_beta"),
            attribute_part(self, "iteration"),
            *training_parts(self.model, self.optimizer, self.rng, self.generator, self.noise),
        )

    @property
    def beta(self) -> float:
        """Current weight of the KL term."""
        return math.exp(self.log_beta) if self.section.target_kl else self.section.beta

    def update(self) -> dict[str, Tensor]:
        """Take one gradient step on a random batch; return the losses (not yet synchronised)."""
        section = self.section
        starts = self.sampler.draw(section.batch_size)
        clip = windows(self.clips, starts)
        augmented, targets = self._to_device(*self.augment(*clip))  # input and target of the decoder
        states, actions = (augmented, targets) if section.augmentation.encoder else self._to_device(*clip)
        rows = window_rows(starts, section.horizon)
        if section.decoder_steps is not None:
            rows, augmented, targets = self._some_steps(section.decoder_steps, rows, augmented, targets)
        observations = observe(self.model, self.clips, augmented, rows)
        noise = torch.randn((len(starts), section.latent_dim), generator=self.generator)
        batch = in_parts((states, actions, observations, targets, noise), self.gradients.parts)
        told = self.gradients.backward(lambda part: self._losses(Batch(*batch[part])))
        set_learning_rate(
            self.optimizer,
            scheduled_rate(section.schedule, section.learning_rate, self.iteration, section.iterations),
        )
        self.optimizer.step()
        if section.target_kl is not None:  # dual descent: β grows while the KL is above its target
            self.log_beta += BETA_LEARNING_RATE * float(told["kl"] - section.target_kl)
        self.iteration += 1
        return told

    def _losses(self, batch: Batch) -> Losses:
        """Return L_skill of a batch, or of a part of it, and its terms."""
        with self.products():
            predicted, posterior = self.model(batch.states, batch.actions, batch.noise, batch.observations)
        reconstruction, kl = reconstruction_error(self.model.scaled(batch.targets), predicted), rate(posterior)
        return reconstruction + self.beta * kl, {"reconstruction": reconstruction, "kl": kl}

    def _some_steps(
        self, count: int, rows: NDArray[np.int64], states: Tensor, actions: Tensor
    ) -> tuple[NDArray[np.int64], Tensor, Tensor]:
        """Draw random steps of each window: rows `(B, count)`, states `(B, count, D)`, actions `(B, count, A)`."""
        chosen = torch.rand(rows.shape, generator=self.generator).argsort(1)[:, :count]
        windows = torch.arange(len(rows)).unsqueeze(1)
        return np.take_along_axis(rows, chosen.numpy(), 1), states[windows, chosen], actions[windows, chosen]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return reconstruction, KL and best-of-N on the validation episodes, without augmentation.

        `best_of` is the error of the best of N skills from N(0, I), averaged over windows: it tells whether the
        latent space itself covers the behaviour.
        """
        generator = torch.Generator().manual_seed(0)
        self.model.eval()
        starts = spread(self.clips.starts("validation"), VALIDATION_WINDOWS)
        done = reconstruct(self.model, self.clips, starts, generator, self.device)
        metrics = {
            "validation/reconstruction": float(reconstruction_error(done.actions, done.predicted)),
            "validation/kl": float(rate(done.posterior)),
            "validation/best_of": self._best_of(done.seen, done.actions, generator),
        }
        self.model.train()
        return metrics

    @torch.no_grad()
    def report(self) -> SkillReport:
        """Look at what the skills of held-out windows carry and decide."""
        generator = torch.Generator().manual_seed(0)
        self.model.eval()
        starts = spread(self.clips.starts("validation"), VALIDATION_WINDOWS)
        return skill_report(self.model, reconstruct(self.model, self.clips, starts, generator, self.device))

    def _to_device(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.to(self.device) for tensor in tensors)

    def _best_of(self, seen: Tensor, actions: Tensor, generator: torch.Generator) -> float:
        chosen = torch.from_numpy(spread(np.arange(len(seen)), BEST_OF_WINDOWS))
        seen, actions = seen[chosen], actions[chosen]
        best = torch.full((len(chosen),), math.inf, device=self.device)
        for _ in range(self.section.best_of):
            latent = torch.randn((len(chosen), self.section.latent_dim), generator=generator).to(self.device)
            error = 0.5 * (self.model.decoder(seen, latent) - actions).square().mean((1, 2))
            best = torch.minimum(best, error)
        return float(best.mean())

    def state(self, folder: Path) -> State:
        """Return everything that an identical continuation needs."""
        return self._parts.state(folder)

    def restore(self, state: State, folder: Path) -> None:
        """Continue from a saved state."""
        self._parts.restore(state, folder)
