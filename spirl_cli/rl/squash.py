"""Squashing of skills; see `spirl_cli.skills.inference.squash` for what each kind means."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

GAINS = {"tanh": 1.0, "consistent-tanh": 0.5}
BOUND = 2.0


def squash(latent: Tensor, kind: str) -> Tensor:
    """u (..., K) → z (..., K): the identity, 2·tanh(u) or 2·tanh(u/2)."""
    return latent if kind == "none" else BOUND * torch.tanh(GAINS[kind] * latent)


def log_det_squash(latent: Tensor, kind: str) -> Tensor:
    """log |dz/du| summed over K → (...,), so that log π(z) = log π(u) − log |dz/du|."""
    if kind == "none":
        return torch.zeros(latent.shape[:-1])
    gain = GAINS[kind]
    scaled = gain * latent
    # log(1 − tanh²x) = 2·(log 2 − x − softplus(−2x)), without cancellation for large |x|
    log_slope = 2.0 * (math.log(2.0) - scaled - softplus(-2.0 * scaled))
    return (log_slope + math.log(BOUND * gain)).sum(-1)
