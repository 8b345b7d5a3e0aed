"""The inputs of networks from observations, in NumPy: `spirl_cli.skills.vision` for exported networks.

BatchNorm is folded into the convolutions and the normaliser into the first linear layer, so that inputs are raw states
and pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from spirl_cli.errors import ArtifactError
from spirl_cli.inference.network_file import Array, NetworkHeader, NetworkTensors

LEAK = np.float32(0.2)
KERNEL, STRIDE, PADDING = 4, 2, 1


class NumpyImageEncoder:
    """Pixels `(..., P)` in 0..255 → features `(..., F)`.

    Args:
        shape: `(rows, columns, channels)` of the image.
        convolutions: weight (16·inputs, outputs) and bias (outputs,) of each layer; the rows of a weight are ordered by
            kernel row, kernel column, input channel.
        features: weight `(n, F)` and bias `(F,)` of the linear layer on the flattened last map.
    """

    def __init__(
        self, shape: Sequence[int], convolutions: Sequence[tuple[Array, Array]], features: tuple[Array, Array]
    ) -> None:
        self.shape = tuple(shape)
        self.pixels = math.prod(self.shape)
        self.convolutions, self.features = list(convolutions), features

    def __call__(self, pixels: Array) -> Array:
        """Return the features of one or more images."""
        maps = pixels.reshape(-1, *self.shape) * np.float32(1 / 255) - np.float32(0.5)
        for weight, bias in self.convolutions:
            maps = _leaky(convolve(maps, weight, bias))
        weight, bias = self.features
        features = _leaky(maps.reshape(len(maps), -1) @ weight + bias)
        return features.reshape(*pixels.shape[:-1], -1)

    @property
    def size(self) -> int:
        """F, the number of features."""
        return self.features[1].size

    @classmethod
    def from_tensors(cls, tensors: NetworkTensors, shape: Sequence[int]) -> NumpyImageEncoder:
        """Read `image/0/weight`, `image/0/bias`, …, and `image/features/weight`.

        Raises:
            ArtifactError: a layer is missing, or fits neither the image nor the layer before.
        """
        rows, columns, channels = shape
        convolutions: list[tuple[Array, Array]] = []
        while f"image/{len(convolutions)}/weight" in tensors:
            convolutions.append(_layer(tensors, f"image/{len(convolutions)}", KERNEL * KERNEL * channels))
            rows, columns, channels = rows // STRIDE, columns // STRIDE, convolutions[-1][1].size
        return cls(shape, convolutions, _layer(tensors, "image/features", rows * columns * channels))


class NumpyPerception:
    """Observation `(..., D+P)` → inputs `(..., n)` of an exported MLP: chosen numbers of the state, then features.

    Args:
        state_dim: D; None if observations are states.
        indices: indices of the visible numbers of the state; None for all.
        image: the image encoder; None if the network sees no image.
    """

    def __init__(self, state_dim: int | None, indices: Sequence[int] | None, image: NumpyImageEncoder | None) -> None:
        self.state_dim, self.image = state_dim, image
        self.needed = (state_dim or 0) + (0 if image is None else image.pixels)
        self.indices = None if indices is None else np.array(indices, np.intp)

    def __call__(self, observations: Array) -> Array:
        """Return the inputs for one or more observations, float32.

        Raises:
            ArtifactError: the observations have too few numbers.
        """
        observations = np.asarray(observations, np.float32)
        if observations.shape[-1] < self.needed:
            raise ArtifactError(
                f"a network looks at {self.needed} numbers of an observation that has {observations.shape[-1]}",
                "its artifact is damaged, or belongs to another environment",
            )
        states = observations[..., : self.state_dim]
        if self.indices is not None:
            states = states[..., self.indices]
        if self.image is None:
            return states
        return np.concatenate([states, self.image(observations[..., -self.image.pixels :])], axis=-1)

    @property
    def size(self) -> int | None:
        """Number of inputs n; None if the input is the whole state and the file does not tell its size."""
        numbers = self.state_dim if self.indices is None else self.indices.size
        return numbers if self.image is None or numbers is None else numbers + self.image.size

    @classmethod
    def from_file(cls, header: NetworkHeader, tensors: NetworkTensors) -> NumpyPerception:
        """Read the perception of an exported network.

        Raises:
            ArtifactError: the layers of the image encoder do not fit the header.
        """
        shape = header.image_shape
        image = None if shape is None else NumpyImageEncoder.from_tensors(tensors, shape)
        return cls(header.state_dim, header.state_indices, image)


def convolve(maps: Array, weight: Array, bias: Array) -> Array:
    """Apply a 4×4 convolution with stride 2 and padding 1: `(B, R, C, n)` → `(B, R // 2, C // 2, m)`."""
    batch, rows, columns, channels = maps.shape
    padded = np.zeros((batch, rows + 2 * PADDING, columns + 2 * PADDING, channels), maps.dtype)
    padded[:, PADDING:-PADDING, PADDING:-PADDING] = maps
    whole, row, column, number = padded.strides
    # the 4 pixels of a kernel's row, with all channels, are contiguous in memory
    patches = as_strided(
        padded,
        (batch, rows // STRIDE, columns // STRIDE, KERNEL, KERNEL * channels),
        (whole, STRIDE * row, STRIDE * column, row, number),
        writeable=False,
    )
    result: Array = patches.reshape(-1, len(weight)) @ weight + bias
    return result.reshape(batch, rows // STRIDE, columns // STRIDE, -1)


def _layer(tensors: NetworkTensors, name: str, inputs: int) -> tuple[Array, Array]:
    """Return weight `(inputs, outputs)` and bias (outputs,) of a layer."""
    weight = tensors.take(f"{name}/weight", inputs, None)
    return weight, tensors.take(f"{name}/bias", weight.shape[1])


def _leaky(values: Array) -> Array:
    return np.maximum(values, LEAK * values)
