"""Frozen decoders, priors and policies in NumPy.

Environment workers and deployed agents need only these: no torch import (1.4 s and 200 MB per
process), and a forward pass of one state takes some 30 µs, of an image some 100 µs. Normalisation
and BatchNorm are folded into the layers when a network is exported (see `export.py`), so raw
observations (D+P,) go in: D numbers of the state, then the P pixels of the image if there is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from spirl_cli.errors import ArtifactError
from spirl_cli.inference.perception import LEAK, NumpyPerception

Array = NDArray[np.floating[Any]]  # float32 throughout
MAX_LOG_SIGMA = 2.0


class NumpyMLP:
    """linear → LeakyReLU → … → linear, weights stored as (inputs, outputs)."""

    def __init__(self, weights: list[Array], biases: list[Array]) -> None:
        self.weights, self.biases = weights, biases

    def __call__(self, inputs: Array) -> Array:
        """(..., inputs) → (..., outputs)."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs = self.activate(inputs @ weight + bias)
        return inputs @ self.weights[-1] + self.biases[-1]

    @staticmethod
    def activate(values: Array) -> Array:
        """LeakyReLU."""
        return np.maximum(values, LEAK * values)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Array], prefix: str) -> Self:
        """Read ``<prefix>/0/weight``, ``<prefix>/0/bias``, … until there is no next layer."""
        weights: list[Array] = []
        biases: list[Array] = []
        while f"{prefix}/{len(weights)}/weight" in tensors:
            layer = len(weights)
            weights.append(np.ascontiguousarray(tensors[f"{prefix}/{layer}/weight"]))
            biases.append(tensors[f"{prefix}/{layer}/bias"])
        return cls(weights, biases)


class NumpyGaussian:
    """A prior or policy: raw observations → mean and log σ over the latent before squashing.

    Args:
        network: the MLP.
        perception: what it sees of an observation.
        min_log_sigma: lower clamp of log σ.
        squash: "none", "tanh", "consistent-tanh" or "bounds", see :func:`squash`.
        bounds: lowest and highest action (2, K), for the last of these.
    """

    def __init__(
        self,
        network: NumpyMLP,
        perception: NumpyPerception,
        min_log_sigma: float,
        squash: str = "none",
        bounds: Array | None = None,
    ) -> None:
        self.network, self.perception = network, perception
        self.min_log_sigma, self.squash, self.bounds = min_log_sigma, squash, bounds

    def __call__(self, observations: Array) -> tuple[Array, Array]:
        """(..., D+P) observations → (..., K) mean and (..., K) log σ."""
        mean, log_sigma = np.split(self.network(self.perception(observations)), 2, axis=-1)
        return mean, np.clip(log_sigma, self.min_log_sigma, MAX_LOG_SIGMA)

    def latent(self, observations: Array, noise: Array | float) -> Array:
        """Skills z = squash(μ + σ·noise); noise 0 gives the mean policy."""
        mean, log_sigma = self(observations)
        return squash(mean + np.exp(log_sigma) * np.float32(noise), self.squash, self.bounds)

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Return a skill (K,) for one observation (D+P,)."""
        latent_dim = self.network.biases[-1].size // 2
        return self.latent(observation, rng.standard_normal(latent_dim, dtype=np.float32))

    def mean(self, observation: Array) -> Array:
        """Return the mean, squashed like a sample."""
        return self.latent(observation, 0.0)


def squash(latent: Array, kind: str, bounds: Array | None = None) -> Array:
    """Map the Gaussian's sample u to the skill z.

    "none": z = u. "tanh": z = 2·tanh(u), as published, a gain of 2 around 0 that the prior never
    saw. "consistent-tanh": z = 2·tanh(u/2), bounded but with gain 1 around 0. "bounds": with the centre
    c and the half range h of primitive actions (2, K), z = c + h·tanh((u − c)/h), again with gain 1.
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


class ClosedLoopDecoder:
    """p(a | s, z): one MLP pass per primitive step."""

    def __init__(self, tensors: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        self.latent_dim, self.horizon = int(header["latent_dim"]), int(header["horizon"])
        self.perception = NumpyPerception.from_tensors(tensors, header)
        self.network = NumpyMLP.from_tensors(tensors, "decoder")
        self._latent: Array = np.zeros(self.latent_dim, np.float32)

    def begin(self, latent: Array) -> None:
        """Start the skill z (K,)."""
        self._latent = np.asarray(latent, np.float32)

    def act(self, observation: Array) -> Array:
        """Unclipped action (A,) for an observation (D+P,)."""
        return self.network(np.concatenate([self.perception(observation), self._latent], dtype=np.float32))


class OpenLoopDecoder:
    """p(a_1..H | z): an LSTM fed with its previous action; the state is not looked at."""

    def __init__(self, tensors: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        self.latent_dim, self.horizon = int(header["latent_dim"]), int(header["horizon"])
        self.tensors = dict(tensors)
        self.begin(np.zeros(self.latent_dim, np.float32))

    def begin(self, latent: Array) -> None:
        """Start the skill z (K,)."""
        self._latent = np.asarray(latent, np.float32)
        self._action = self.tensors["first_action"]
        self._hidden, self._cell = self.tensors["first_state"]

    def act(self, observation: Array) -> Array:
        """Next unclipped action (A,) of the plan."""
        tensors = self.tensors
        inputs = np.concatenate([self._action, self._latent]) @ tensors["embed/weight"] + tensors["embed/bias"]
        gates = inputs @ tensors["cell/input"] + self._hidden @ tensors["cell/hidden"] + tensors["cell/bias"]
        entry, forget, candidate, output = np.split(gates, 4)  # torch's order: i, f, g, o
        self._cell = _sigmoid(forget) * self._cell + _sigmoid(entry) * np.tanh(candidate)
        self._hidden = _sigmoid(output) * np.tanh(self._cell)
        self._action = self._hidden @ tensors["head/weight"] + tensors["head/bias"]
        return self._action


class PrimitiveDecoder:
    """Skills that are actions: z = a, horizon 1."""

    def __init__(self, tensors: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        self.latent_dim, self.horizon = int(header["latent_dim"]), 1
        self._latent: Array = np.zeros(self.latent_dim, np.float32)

    def begin(self, latent: Array) -> None:
        """Take the action (A,)."""
        self._latent = np.asarray(latent, np.float32)

    def act(self, observation: Array) -> Array:
        """Return the action itself."""
        return self._latent


Decoder = ClosedLoopDecoder | OpenLoopDecoder | PrimitiveDecoder
DECODERS: dict[str, type[ClosedLoopDecoder] | type[OpenLoopDecoder] | type[PrimitiveDecoder]] = {
    "closed-loop": ClosedLoopDecoder,
    "open-loop": OpenLoopDecoder,
    "primitive": PrimitiveDecoder,
}


def read_network(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Tensors and header of an exported network file.

    Raises:
        ArtifactError: the file is not a network that spirl exported.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = json.loads(file.metadata()["network"])
            return {name: file.get_tensor(name) for name in file.keys()}, header
    except Exception as error:
        raise ArtifactError(f"{path} cannot be read as a network: {error}") from error


def load_decoder(path: Path) -> Decoder:
    """Read the decoder of a skills or agent artifact (`decoder.safetensors`), whose actions are not squashed."""
    tensors, header = read_network(path)
    return DECODERS[header["kind"]](tensors, header)


def load_gaussian(path: Path) -> NumpyGaussian:
    """Return the prior or policy of an artifact (`prior.safetensors`, `policy.safetensors`, snapshots)."""
    tensors, header = read_network(path)
    network = NumpyMLP.from_tensors(tensors, "gaussian")
    perception = NumpyPerception.from_tensors(tensors, header)
    bounds = None if header.get("bounds") is None else np.asarray(header["bounds"], np.float32)
    return NumpyGaussian(network, perception, float(header["min_log_sigma"]), header["squash"], bounds)


def _sigmoid(values: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * values))
