"""Encodes windows with a skill model and decodes them again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spirl_cli.clips.reader import Clips
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.sampling import add_images, window_rows, windows

AT_ONCE = 256  # windows per batch of drawn images


@dataclass(frozen=True)
class Reconstruction:
    """Windows and their reconstruction.

    Attributes:
        seen: `(B, H, n)` inputs of the decoder besides the skill.
        actions: `(B, H, A)` as demonstrated, in the units that the decoder answers in.
        predicted: `(B, H, A)` decoded from a sample of the posterior.
        posterior: q(z | clip), `(B, K)`.
    """

    seen: Tensor
    actions: Tensor
    predicted: Tensor
    posterior: Gaussian


@torch.no_grad()
def reconstruct(
    model: SkillModel, clips: Clips, starts: NDArray[np.int64], generator: torch.Generator, device: str = "cpu"
) -> Reconstruction:
    """Encode the windows at these starts `(B,)`, and decode a sample of each posterior."""
    states, actions = (tensor.to(device) for tensor in windows(clips, starts))
    posterior = model.encode(model.normalizer(states), actions)
    seen = _perceived(model, clips, states, starts)
    predicted = model.decoder(seen, posterior.sample(generator))
    return Reconstruction(seen, model.scaled(actions), predicted, posterior)


def observe(model: SkillModel, clips: Clips, states: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """Return states `(B, H, D)` with the images at these rows `(B, H)` if the decoder sees images, `(B, H, D+P)`."""
    if model.perception.image is None:
        return states
    return add_images(states.cpu(), clips, rows).to(states.device)


def _perceived(model: SkillModel, clips: Clips, states: Tensor, starts: NDArray[np.int64]) -> Tensor:
    """Return inputs `(B, H, n)` of the decoder; images are drawn in batches, since all need too much memory."""
    rows = window_rows(starts, clips.horizon)
    parts = [slice(first, first + AT_ONCE) for first in range(0, len(starts), AT_ONCE)]
    return torch.cat([model.perceive(observe(model, clips, states[part], rows[part])) for part in parts])
