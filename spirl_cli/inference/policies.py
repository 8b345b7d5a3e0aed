"""Policies that choose skills, as evaluation and agents use them.

A policy gets one state at a time, even if many environments run: matrix products of different batch sizes differ in
their last bits, and an episode must not depend on the other environments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from spirl_cli.errors import ArtifactError
from spirl_cli.inference.densities import SkillDensity, load_density
from spirl_cli.inference.network_file import Array

PolicyKind = Literal["sampled", "mean"]


class SkillPolicy(Protocol):
    """Chooses the next skill."""

    def latent(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return the skill z `(K,)` for a state `(D,)`."""


class SampledPolicy:
    """Chooses z ~ π(z | s), as in training."""

    def __init__(self, head: SkillDensity) -> None:
        self.head = head

    def latent(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a sample `(K,)` for a state `(D,)`."""
        return _finite(self.head.sample(observation, rng))


class MeanPolicy:
    """z = the mean of π(z | s), squashed like a sample; for other families see `spirl_cli.inference.densities`."""

    def __init__(self, head: SkillDensity) -> None:
        self.head = head

    def latent(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return the mean `(K,)` for a state `(D,)`; nothing is drawn."""
        return _finite(self.head.mean(observation))


class NormalPolicy:
    """Chooses z ~ N(0, I): skills without a prior."""

    def __init__(self, latent_dim: int) -> None:
        self.latent_dim = latent_dim

    def latent(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a sample `(K,)`, whatever the state is."""
        return rng.standard_normal(self.latent_dim, dtype=np.float32)


class UniformPolicy:
    """Chooses primitive actions, uniform within their bounds `(A,)`."""

    def __init__(self, low: Array, high: Array) -> None:
        self.low, self.high = low, high

    def latent(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return an action `(A,)`, whatever the state is."""
        return rng.uniform(self.low, self.high).astype(np.float32)


def load_policy(path: Path, kind: PolicyKind) -> SkillPolicy:
    """Read the weights of a policy or of a prior.

    Raises:
        ArtifactError: the file is not a network that spirl exported.
    """
    head = load_density(path)
    return SampledPolicy(head) if kind == "sampled" else MeanPolicy(head)


def _finite(latent: Array) -> Array:
    if not np.isfinite(latent).all():
        raise ArtifactError(
            "the policy answers with a skill that is not finite",
            "its weights have diverged, or the environment's observation is not finite",
        )
    return latent
