"""The log-likelihood of held-out demonstrations' skills, which compares priors before any RL."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from spirl_cli.clips.reader import Clips
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.prior import PriorNetwork
from spirl_cli.skills.prior_training import SkillTargets
from spirl_cli.skills.sampling import add_images

CHUNK = 2048  # windows per batch


@torch.no_grad()
def held_out_log_likelihoods(prior: PriorNetwork, clips: Clips, skills: SkillModel | None) -> NDArray[np.float64]:
    """Return log p(z | s_1), z ~ q(z | clip), in nats, averaged over the windows of each demonstration.

    Args:
        prior: p(z | s).
        clips: the clip dataset; its validation split is read.
        skills: the skill model with the encoder q; None if skills are primitive actions.

    Returns:
        `(E,)`, one number per held-out demonstration.
    """
    generator = torch.Generator().manual_seed(0)
    starts = clips.starts("validation")
    targets = SkillTargets(clips, starts, skills, drawn=0)
    values = []
    for chunk in np.array_split(starts, -(-len(starts) // CHUNK)):
        states, posterior = targets.at(chunk)
        observations = states if prior.perception.image is None else add_images(states, clips, chunk)
        values.append(prior(observations).log_prob(posterior.sample(generator)).double().numpy())
    episodes, whose, windows = np.unique(clips.episode_of(starts), return_inverse=True, return_counts=True)
    means: NDArray[np.float64] = np.bincount(whose, np.concatenate(values), len(episodes)) / windows
    return means
