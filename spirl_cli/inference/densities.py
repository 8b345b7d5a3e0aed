"""Priors of every family in NumPy: for prior rollouts, without torch.

The *mean* skill of a density with several peaks may be one that nobody showed. So what stands for it is
the mean of the heaviest component of a mixture, the skill that a flow makes from u = 0, and, since the
members of an ensemble all describe the same skill, the mean of their means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spirl_cli.errors import ArtifactError
from spirl_cli.inference.decoders import MAX_LOG_SIGMA, Array, NumpyMLP, load_gaussian, read_network
from spirl_cli.inference.perception import LEAK, NumpyPerception

MIN_WEIGHT = 1e-6  # of a component of a mixture
MAX_LOG_SCALE = 2.0  # of a coupling of a flow


class SkillDensity(Protocol):
    """What a policy or a prior is asked for; observations (D+P,) come one at a time."""

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill (K,) drawn from the density."""

    def mean(self, observation: Array) -> Array:
        """Return the skill (K,) that stands for the density."""


class NumpyMixture:
    """A mixture of Gaussians."""

    def __init__(self, tensors: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        self.network = NumpyMLP.from_tensors(tensors, "mixture")
        self.perception = NumpyPerception.from_tensors(tensors, header)
        self.components, self.min_log_sigma = int(header["components"]), float(header["min_log_sigma"])

    def __call__(self, observations: Array) -> tuple[Array, Array, Array]:
        """(..., D+P) observations → weights (..., M), means and log σ (..., M, K)."""
        outputs = self.network(self.perception(observations))
        logits, rest = outputs[..., : self.components], outputs[..., self.components :]
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        weights = np.maximum(weights / weights.sum(-1, keepdims=True), MIN_WEIGHT)
        mean, log_sigma = np.split(rest.reshape(*rest.shape[:-1], self.components, -1), 2, axis=-1)
        return weights / weights.sum(-1, keepdims=True), mean, np.clip(log_sigma, self.min_log_sigma, MAX_LOG_SIGMA)

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill (K,) of a component that is drawn by its weight."""
        weights, mean, log_sigma = self(observation)
        chosen = min(int(np.searchsorted(np.cumsum(weights), rng.random())), self.components - 1)
        return _draw(mean[chosen], log_sigma[chosen], rng)

    def mean(self, observation: Array) -> Array:
        """Return the mean (K,) of the heaviest component."""
        weights, mean, _ = self(observation)
        heaviest: Array = mean[int(np.argmax(weights))]
        return heaviest


class NumpyEnsemble:
    """An ensemble of Gaussians."""

    def __init__(self, tensors: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        self.networks = [NumpyMLP.from_tensors(tensors, f"member{index}") for index in range(header["members"])]
        self.perception = NumpyPerception.from_tensors(tensors, header)
        self.min_log_sigma = float(header["min_log_sigma"])

    def __call__(self, observations: Array) -> tuple[Array, Array]:
        """(..., D+P) observations → means and log σ (..., M, K)."""
        inputs = self.perception(observations)
        heads = np.stack([network(inputs) for network in self.networks], axis=-2)
        mean, log_sigma = np.split(heads, 2, axis=-1)
        return mean, np.clip(log_sigma, self.min_log_sigma, MAX_LOG_SIGMA)

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill (K,) of a member that is drawn at random."""
        mean, log_sigma = self(observation)
        chosen = int(rng.integers(len(self.networks)))
        return _draw(mean[chosen], log_sigma[chosen], rng)

    def mean(self, observation: Array) -> Array:
        """Return the mean of the members' means (K,)."""
        mean: Array = self(observation)[0].mean(-2)
        return mean

    def divergence(self, observations: Array) -> Array:
        """Mean KL over all ordered pairs of members, (..., D+P) → (...,), in nats: large far from the training data."""
        mean, log_sigma = self(observations)
        log_ratio = log_sigma[..., :, None, :] - log_sigma[..., None, :, :]  # (..., M, M, K)
        shift = (mean[..., :, None, :] - mean[..., None, :, :]) * np.exp(-log_sigma[..., None, :, :])
        divergences = 0.5 * (np.exp(2 * log_ratio) + shift**2 - 1) - log_ratio
        count = len(self.networks)
        total: Array = divergences.sum((-1, -2, -3)) / (count * (count - 1))
        return total


class TanhMLP(NumpyMLP):
    """linear → tanh → … → linear."""

    @staticmethod
    def activate(values: Array) -> Array:
        """Hyperbolic tangent."""
        return np.tanh(values)


class NumpyFlow:
    """A conditional RealNVP flow."""

    def __init__(self, tensors: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        self.network = NumpyMLP.from_tensors(tensors, "features")
        self.perception = NumpyPerception.from_tensors(tensors, header)
        self.kept = np.asarray(header["kept"], np.float32)  # (blocks, K)
        self.scales = [TanhMLP.from_tensors(tensors, f"scale{index}") for index in range(len(self.kept))]
        self.shifts = [TanhMLP.from_tensors(tensors, f"shift{index}") for index in range(len(self.kept))]

    def from_noise(self, observations: Array, noise: Array) -> Array:
        """Observations (..., D+P) and u (..., K) → z (..., K)."""
        features = self.network(self.perception(observations))
        features = np.maximum(features, LEAK * features)
        for kept, scale, shift in reversed(list(zip(self.kept, self.scales, self.shifts, strict=True))):
            inputs = np.concatenate([noise * kept, features], axis=-1)
            log_scale = MAX_LOG_SCALE * np.tanh(scale(inputs) / MAX_LOG_SCALE) * (1 - kept)
            noise = (noise - shift(inputs) * (1 - kept)) * np.exp(-log_scale)
        return noise

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill (K,)."""
        noise: Array = rng.standard_normal(self.kept.shape[1:], dtype=np.float32)
        return self.from_noise(observation, noise)

    def mean(self, observation: Array) -> Array:
        """Return the skill (K,) that is made from u = 0."""
        return self.from_noise(observation, np.zeros(self.kept.shape[1], np.float32))


def load_density(path: Path) -> SkillDensity:
    """Read the policy or prior of an artifact (`policy.safetensors`, `prior.safetensors`, snapshots), of any family.

    Raises:
        ArtifactError: the file is not such a network that spirl exported.
    """
    tensors, header = read_network(path)
    if header["kind"] == "gaussian":
        return load_gaussian(path)
    families: dict[str, Callable[[Mapping[str, Array], Mapping[str, Any]], SkillDensity]]
    families = {"mixture": NumpyMixture, "ensemble": NumpyEnsemble, "flow": NumpyFlow}
    if header["kind"] not in families:
        raise ArtifactError(f"{path} holds a network of the kind '{header['kind']}', which is no policy and no prior")
    return families[header["kind"]](tensors, header)


def _draw(mean: Array, log_sigma: Array, rng: np.random.Generator) -> Array:
    return mean + np.exp(log_sigma) * rng.standard_normal(mean.shape, dtype=np.float32)
