"""Diagonal Gaussians, the family of posterior, prior and policy."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

MIN_LOG_SIGMA, MAX_LOG_SIGMA = -10.0, 2.0  # docs/method.md#layers
LOG_TWO_PI = math.log(2.0 * math.pi)


class Gaussian(NamedTuple):
    """A batch of diagonal Gaussians: `mean` and `log_sigma` of shape `(..., K)`."""

    mean: Tensor
    log_sigma: Tensor

    @classmethod
    def from_head(cls, head: Tensor, min_log_sigma: float = MIN_LOG_SIGMA) -> Gaussian:
        """Split a network's (..., 2K) output into mean and clamped log σ."""
        mean, log_sigma = head.chunk(2, dim=-1)
        return cls(mean, log_sigma.clamp(min_log_sigma, MAX_LOG_SIGMA))

    @classmethod
    def standard_like(cls, other: Gaussian) -> Gaussian:
        """Return N(0, I) with the shape of another Gaussian."""
        return cls(torch.zeros_like(other.mean), torch.zeros_like(other.log_sigma))

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Return a reparametrised sample μ + σ·ε `(..., K)`; ε is drawn on the CPU."""
        return self.shifted(torch.randn(self.mean.shape, generator=generator))

    def shifted(self, noise: Tensor) -> Tensor:
        """Return μ + σ·ε `(..., K)` for ε `(..., K)` on any device."""
        return self.mean + self.log_sigma.exp() * noise.to(self.mean.device)

    def strata(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the weight 1 `(1, ...)` and a sample `(1, ..., K)`, as a mixture of one component does."""
        sample = self.sample(generator).unsqueeze(0)
        return torch.ones_like(sample[..., 0]), sample

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of `(..., K)` values, summed over K → `(...,)`, in nats."""
        standardized = (value - self.mean) * (-self.log_sigma).exp()
        return -(0.5 * standardized.square() + self.log_sigma + 0.5 * LOG_TWO_PI).sum(-1)

    def kl(self, other: Gaussian) -> Tensor:
        """Return the closed-form KL(self ‖ other) per dimension, `(..., K)`, in nats."""
        log_ratio = self.log_sigma - other.log_sigma
        shift = (self.mean - other.mean) * (-other.log_sigma).exp()
        return 0.5 * ((2.0 * log_ratio).exp() + shift.square() - 1.0) - log_ratio

    def broadened(self, min_log_sigma: float) -> Gaussian:
        """Return the Gaussian with log σ at least this."""
        return Gaussian(self.mean, self.log_sigma.clamp(min=min_log_sigma))

    def repeated(self, count: int) -> Gaussian:
        """Return `count` copies along a new first axis."""
        return Gaussian(self.mean.expand(count, *self.mean.shape), self.log_sigma.expand(count, *self.mean.shape))

    def detach(self) -> Gaussian:
        """Return the distribution without gradients."""
        return Gaussian(self.mean.detach(), self.log_sigma.detach())
