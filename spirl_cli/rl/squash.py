"""Squashing of skills; `spirl_cli.inference.densities.squash` describes the kinds."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

GAINS = {"tanh": 1.0, "consistent-tanh": 0.5}
BOUND = 2.0


def squash(latent: Tensor, kind: str, bounds: Tensor | None = None) -> Tensor:
    """Map u `(..., K)` to z `(..., K)`: the identity, 2·tanh(u), 2·tanh(u/2), or a tanh into `bounds` `(2, K)`."""
    if kind == "bounds":
        center, half = center_and_half(bounds)
        return center + half * torch.tanh((latent - center) / half)
    return latent if kind == "none" else BOUND * torch.tanh(GAINS[kind] * latent)


def center_and_half(bounds: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return centre and half range `(K,)` of bounds `(2, K)`."""
    assert bounds is not None, "squash 'bounds' needs bounds"
    return bounds.mean(0), (bounds[1] - bounds[0]) / 2


def log_det_squash(latent: Tensor, kind: str, bounds: Tensor | None = None) -> Tensor:
    """Return log |dz/du|, summed over K, `(...,)`; then log π(z) = log π(u) − log |dz/du|."""
    if kind == "none":
        return latent.new_zeros(latent.shape[:-1])
    if kind == "bounds":
        center, half = center_and_half(bounds)
        return _log_slope((latent - center) / half).sum(-1)
    gain = GAINS[kind]
    scaled = gain * latent
    return (_log_slope(scaled) + math.log(BOUND * gain)).sum(-1)


def _log_slope(value: Tensor) -> Tensor:
    """Return log(1 − tanh²x) = 2·(log 2 − x − softplus(−2x)), without cancellation for large |x|."""
    return 2.0 * (math.log(2.0) - value - softplus(-2.0 * value))
