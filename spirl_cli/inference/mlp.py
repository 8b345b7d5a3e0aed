"""Multi-layer perceptrons in NumPy."""

from __future__ import annotations

from typing import Self

import numpy as np

from spirl_cli.errors import ArtifactError
from spirl_cli.inference.network_file import Array, NetworkTensors
from spirl_cli.inference.perception import LEAK


class NumpyMLP:
    """linear → LeakyReLU → … → linear, weights stored as `(inputs, outputs)`."""

    def __init__(self, weights: list[Array], biases: list[Array]) -> None:
        self.weights, self.biases = weights, biases

    def __call__(self, inputs: Array) -> Array:
        """`(..., inputs)` → `(..., outputs)`.

        Raises:
            ArtifactError: the number of inputs is wrong.
        """
        if inputs.shape[-1] != len(self.weights[0]):
            raise ArtifactError(
                f"a network of {len(self.weights[0])} inputs is given {inputs.shape[-1]}",
                "its artifact is damaged, or belongs to another environment",
            )
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs = self.activate(inputs @ weight + bias)
        return inputs @ self.weights[-1] + self.biases[-1]

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.biases[-1].size

    @staticmethod
    def activate(values: Array) -> Array:
        """Apply LeakyReLU."""
        return np.maximum(values, LEAK * values)

    @classmethod
    def from_tensors(cls, tensors: NetworkTensors, prefix: str, inputs: int | None, outputs: int | None = None) -> Self:
        """Read `<prefix>/0/weight`, `<prefix>/0/bias`, … up to the last layer.

        Args:
            tensors: tensors of the file.
            prefix: name of the network in the file.
            inputs, outputs: sizes that the network must have; None for any size.

        Raises:
            ArtifactError: a layer is missing, or does not fit the layer before.
        """
        weights: list[Array] = []
        biases: list[Array] = []
        size = inputs
        while not weights or f"{prefix}/{len(weights)}/weight" in tensors:
            layer = len(weights)
            weights.append(tensors.take(f"{prefix}/{layer}/weight", size, None))
            size = weights[-1].shape[1]
            biases.append(tensors.take(f"{prefix}/{layer}/bias", size))
        if outputs not in (None, size):
            tensors.refuse(f"the network {prefix} has {size} outputs, not {outputs}")
        return cls(weights, biases)


class TanhMLP(NumpyMLP):
    """linear → tanh → … → linear."""

    @staticmethod
    def activate(values: Array) -> Array:
        """Apply the hyperbolic tangent."""
        return np.tanh(values)
