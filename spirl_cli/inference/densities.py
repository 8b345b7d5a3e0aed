"""Priors and policies of every family in NumPy.

The mean of a density with several peaks may be a skill that no demonstration shows. So the *mean* skill of a mixture is
the mean of its heaviest component, and that of a flow is the skill from u = 0. The members of an ensemble all describe
the same skill, so its *mean* is the mean of their means.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from spirl_cli.errors import ArtifactError
from spirl_cli.inference.mlp import NumpyMLP, TanhMLP
from spirl_cli.inference.network_file import (
    Array,
    DecoderHeader,
    DensityHeader,
    EnsembleHeader,
    FlowHeader,
    GaussianHeader,
    MixtureHeader,
    NetworkTensors,
    read_header,
    read_tensors,
)
from spirl_cli.inference.perception import LEAK, NumpyPerception

MAX_LOG_SIGMA = 2.0
MIN_WEIGHT = 1e-6  # lower clamp of log σ of a component of a mixture
MAX_LOG_SCALE = 2.0  # largest log scale of a coupling of a flow


class SkillDensity(Protocol):
    """A policy or prior that returns skills for one observation `(D+P,)` at a time."""

    latent_dim: int  # K

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill `(K,)` drawn from the density."""

    def mean(self, observation: Array) -> Array:
        """Return the representative skill `(K,)` of the density."""


class NumpyGaussian:
    """A Gaussian over latents before squashing: raw observations → mean and log σ."""

    def __init__(self, header: GaussianHeader, tensors: NetworkTensors) -> None:
        self.perception = NumpyPerception.from_file(header, tensors)
        self.network = NumpyMLP.from_tensors(tensors, "gaussian", self.perception.size)
        self.latent_dim = _latent_dim(tensors, self.network.outputs)
        self.min_log_sigma, self.squash = header.min_log_sigma, header.squash
        self.bounds = None if header.bounds is None else np.asarray(header.bounds, np.float32)
        if self.bounds is not None and self.bounds.shape[1] != self.latent_dim:
            tensors.refuse(f"there are bounds of {self.bounds.shape[1]} numbers for skills of {self.latent_dim}")

    def __call__(self, observations: Array) -> tuple[Array, Array]:
        """`(..., D+P)` observations → `(..., K)` mean and `(..., K)` log σ."""
        mean, log_sigma = np.split(self.network(self.perception(observations)), 2, axis=-1)
        return mean, np.clip(log_sigma, self.min_log_sigma, MAX_LOG_SIGMA)

    def latent(self, observations: Array, noise: Array | float) -> Array:
        """Return skills z = squash(μ + σ·noise); noise 0 gives the mean policy."""
        mean, log_sigma = self(observations)
        return squash(mean + np.exp(log_sigma) * np.float32(noise), self.squash, self.bounds)

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill `(K,)` for one observation `(D+P,)`."""
        return self.latent(observation, rng.standard_normal(self.latent_dim, dtype=np.float32))

    def mean(self, observation: Array) -> Array:
        """Return the mean, squashed like a sample."""
        return self.latent(observation, 0.0)


def squash(latent: Array, kind: str, bounds: Array | None = None) -> Array:
    """Map the Gaussian's sample u to the skill z.

    "none": z = u. "tanh": z = 2·tanh(u), as published, a gain of 2 around 0 that the prior never
    saw. "consistent-tanh": z = 2·tanh(u/2), bounded but with gain 1 around 0. "bounds": with the centre
    c and the half range h of primitive actions `(2, K)`, z = c + h·tanh((u − c)/h), again with gain 1.
    """
    if kind == "bounds":
        assert bounds is not None
        center, half = bounds.mean(0), (bounds[1] - bounds[0]) / 2
        return center + half * np.tanh((latent - center) / half)
    if kind == "tanh":
        return 2.0 * np.tanh(latent)
    if kind == "consistent-tanh":
        return 2.0 * np.tanh(0.5 * latent)
    return latent


class NumpyMixture:
    """A mixture of Gaussians."""

    def __init__(self, header: MixtureHeader, tensors: NetworkTensors) -> None:
        self.perception = NumpyPerception.from_file(header, tensors)
        self.network = NumpyMLP.from_tensors(tensors, "mixture", self.perception.size)
        self.components, self.min_log_sigma = header.components, header.min_log_sigma
        self.latent_dim = _latent_dim(tensors, self.network.outputs - self.components, self.components)

    def __call__(self, observations: Array) -> tuple[Array, Array, Array]:
        """`(..., D+P)` observations → weights `(..., M)`, means and log σ `(..., M, K)`."""
        outputs = self.network(self.perception(observations))
        logits, rest = outputs[..., : self.components], outputs[..., self.components :]
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        weights = np.maximum(weights / weights.sum(-1, keepdims=True), MIN_WEIGHT)
        mean, log_sigma = np.split(rest.reshape(*rest.shape[:-1], self.components, -1), 2, axis=-1)
        return weights / weights.sum(-1, keepdims=True), mean, np.clip(log_sigma, self.min_log_sigma, MAX_LOG_SIGMA)

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill `(K,)` from a component that is drawn by its weight."""
        weights, mean, log_sigma = self(observation)
        chosen = min(int(np.searchsorted(np.cumsum(weights), rng.random())), self.components - 1)
        return _draw(mean[chosen], log_sigma[chosen], rng)

    def mean(self, observation: Array) -> Array:
        """Return the mean `(K,)` of the heaviest component."""
        weights, mean, _ = self(observation)
        heaviest: Array = mean[int(np.argmax(weights))]
        return heaviest


class NumpyEnsemble:
    """An ensemble of Gaussians."""

    def __init__(self, header: EnsembleHeader, tensors: NetworkTensors) -> None:
        self.perception = NumpyPerception.from_file(header, tensors)
        first = NumpyMLP.from_tensors(tensors, "member0", self.perception.size)
        self.networks = [
            NumpyMLP.from_tensors(tensors, f"member{index}", self.perception.size, first.outputs)
            for index in range(header.members)
        ]
        self.latent_dim = _latent_dim(tensors, first.outputs)
        self.min_log_sigma = header.min_log_sigma

    def __call__(self, observations: Array) -> tuple[Array, Array]:
        """`(..., D+P)` observations → means and log σ `(..., M, K)`."""
        inputs = self.perception(observations)
        heads = np.stack([network(inputs) for network in self.networks], axis=-2)
        mean, log_sigma = np.split(heads, 2, axis=-1)
        return mean, np.clip(log_sigma, self.min_log_sigma, MAX_LOG_SIGMA)

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill `(K,)` from a member that is drawn at random."""
        mean, log_sigma = self(observation)
        chosen = int(rng.integers(len(self.networks)))
        return _draw(mean[chosen], log_sigma[chosen], rng)

    def mean(self, observation: Array) -> Array:
        """Return the mean of the members' means `(K,)`."""
        mean: Array = self(observation)[0].mean(-2)
        return mean

    def divergence(self, observations: Array) -> Array:
        """Return the mean KL over ordered pairs of members, (..., D+P) → (...,), in nats; large far from the data."""
        mean, log_sigma = self(observations)
        log_ratio = log_sigma[..., :, None, :] - log_sigma[..., None, :, :]  # (..., M, M, K)
        shift = (mean[..., :, None, :] - mean[..., None, :, :]) * np.exp(-log_sigma[..., None, :, :])
        divergences = 0.5 * (np.exp(2 * log_ratio) + shift**2 - 1) - log_ratio
        count = len(self.networks)
        total: Array = divergences.sum((-1, -2, -3)) / (count * (count - 1))
        return total


class NumpyFlow:
    """A conditional RealNVP flow."""

    def __init__(self, header: FlowHeader, tensors: NetworkTensors) -> None:
        self.perception = NumpyPerception.from_file(header, tensors)
        self.network = NumpyMLP.from_tensors(tensors, "features", self.perception.size)
        self.kept = np.asarray(header.kept, np.float32)  # (blocks, K)
        self.latent_dim = self.kept.shape[1]
        sizes = (self.latent_dim + self.network.outputs, self.latent_dim)
        self.scales = [TanhMLP.from_tensors(tensors, f"scale{index}", *sizes) for index in range(len(self.kept))]
        self.shifts = [TanhMLP.from_tensors(tensors, f"shift{index}", *sizes) for index in range(len(self.kept))]

    def from_noise(self, observations: Array, noise: Array) -> Array:
        """Map observations `(..., D+P)` and u `(..., K)` to z `(..., K)`."""
        features = self.network(self.perception(observations))
        features = np.maximum(features, LEAK * features)
        for kept, scale, shift in reversed(list(zip(self.kept, self.scales, self.shifts, strict=True))):
            inputs = np.concatenate([noise * kept, features], axis=-1)
            log_scale = MAX_LOG_SCALE * np.tanh(scale(inputs) / MAX_LOG_SCALE) * (1 - kept)
            noise = (noise - shift(inputs) * (1 - kept)) * np.exp(-log_scale)
        return noise

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill `(K,)`."""
        noise: Array = rng.standard_normal((self.latent_dim,), dtype=np.float32)
        return self.from_noise(observation, noise)

    def mean(self, observation: Array) -> Array:
        """Return the skill `(K,)` from u = 0."""
        return self.from_noise(observation, np.zeros(self.latent_dim, np.float32))


def load_density(path: Path) -> SkillDensity:
    """Read a policy or prior of any family (`policy.safetensors`, `prior.safetensors`, snapshots).

    Raises:
        ArtifactError: the file is not such a network that spirl exported.
    """
    header = read_density_header(path)
    tensors = read_tensors(path)
    match header:
        case GaussianHeader():
            return NumpyGaussian(header, tensors)
        case MixtureHeader():
            return NumpyMixture(header, tensors)
        case EnsembleHeader():
            return NumpyEnsemble(header, tensors)
        case FlowHeader():
            return NumpyFlow(header, tensors)


def read_density_header(path: Path) -> DensityHeader:
    """Return the header of a policy or prior.

    Raises:
        ArtifactError: the file is not such a network that spirl exported.
    """
    header = read_header(path)
    if isinstance(header, DecoderHeader):
        raise ArtifactError(f"{path} holds a network of the kind '{header.kind}', which is no policy and no prior")
    return header


def _latent_dim(tensors: NetworkTensors, outputs: int, components: int = 1) -> int:
    """Return K of a network; its outputs are a mean and a log σ `(K,)` of every component."""
    latent_dim, rest = divmod(outputs, 2 * components)
    if rest or latent_dim < 1:
        tensors.refuse(f"{outputs} outputs are no mean and log σ of {components} Gaussians")
    return latent_dim


def _draw(mean: Array, log_sigma: Array, rng: np.random.Generator) -> Array:
    return mean + np.exp(log_sigma) * rng.standard_normal(mean.shape, dtype=np.float32)
