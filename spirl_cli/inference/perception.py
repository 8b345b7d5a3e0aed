"""What networks see of an observation, in NumPy: the counterpart of `vision.py` for exported networks.

BatchNorm is folded into the convolutions and the normaliser into the first linear layer, so that
raw states and pixels go in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]  # float32 throughout
LEAK = np.float32(0.2)
KERNEL, STRIDE, PADDING = 4, 2, 1


class NumpyImageEncoder:
    """Pixels (..., P) in 0..255 → features (..., F).

    Args:
        shape: (rows, columns, channels) of the image.
        convolutions: weight (16·inputs, outputs) and bias (outputs,) of each; the rows of a weight
            are ordered by kernel row, kernel column, input channel.
        features: weight (n, F) and bias (F,) of the linear layer on the flattened last map.
    """

    def __init__(
        self, shape: Sequence[int], convolutions: Sequence[tuple[Array, Array]], features: tuple[Array, Array]
    ) -> None:
        self.shape = tuple(shape)
        self.pixels = math.prod(self.shape)
        self.convolutions, self.features = list(convolutions), features

    def __call__(self, pixels: Array) -> Array:
        """Features of one image, or of any number of them."""
        maps = pixels.reshape(-1, *self.shape) * np.float32(1 / 255) - np.float32(0.5)
        for weight, bias in self.convolutions:
            maps = _leaky(convolve(maps, weight, bias))
        weight, bias = self.features
        features = _leaky(maps.reshape(len(maps), -1) @ weight + bias)
        return features.reshape(*pixels.shape[:-1], -1)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Array], shape: Sequence[int]) -> NumpyImageEncoder:
        """Read ``image/0/weight``, ``image/0/bias``, …, and ``image/features/weight``."""
        count = 0
        while f"image/{count}/weight" in tensors:
            count += 1
        layers = [
            (np.ascontiguousarray(tensors[f"image/{name}/weight"]), tensors[f"image/{name}/bias"])
            for name in (*range(count), "features")
        ]
        return cls(shape, layers[:-1], layers[-1])


class NumpyPerception:
    """Observation (..., D+P) → inputs (..., n) of an exported MLP: chosen numbers of the state, then features.

    Args:
        state_dim: D; None: observations are states.
        indices: numbers of the state that are seen; None: all.
        image: the image encoder; None: the image, if there is one, is not seen.
    """

    def __init__(self, state_dim: int | None, indices: Sequence[int] | None, image: NumpyImageEncoder | None) -> None:
        self.state_dim, self.image = state_dim, image
        self.indices = None if indices is None else np.array(indices, np.intp)

    def __call__(self, observations: Array) -> Array:
        """Return the inputs for one observation, or for any number of them, float32."""
        observations = np.asarray(observations, np.float32)
        states = observations[..., : self.state_dim]
        if self.indices is not None:
            states = states[..., self.indices]
        if self.image is None:
            return states
        return np.concatenate([states, self.image(observations[..., -self.image.pixels :])], axis=-1)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Array], header: Mapping[str, Any]) -> NumpyPerception:
        """Read what an exported network sees; files of networks that saw all of the state say nothing of it."""
        shape = header.get("image_shape")
        image = None if shape is None else NumpyImageEncoder.from_tensors(tensors, shape)
        return cls(header.get("state_dim"), header.get("state_indices"), image)


def image_pixels(header: Mapping[str, Any]) -> int:
    """P, the numbers of the image that an exported network looks at; 0 if it looks at none."""
    shape = header.get("image_shape")
    return 0 if shape is None else int(np.prod(shape))


def convolve(maps: Array, weight: Array, bias: Array) -> Array:
    """4×4 convolution with stride 2 and padding 1: (B, R, C, n) → (B, R // 2, C // 2, m), one matrix product."""
    batch, rows, columns, channels = maps.shape
    padded = np.zeros((batch, rows + 2 * PADDING, columns + 2 * PADDING, channels), maps.dtype)
    padded[:, PADDING:-PADDING, PADDING:-PADDING] = maps
    whole, row, column, number = padded.strides
    # a kernel's row of 4 pixels with all their channels lies together in memory
    patches = as_strided(
        padded,
        (batch, rows // STRIDE, columns // STRIDE, KERNEL, KERNEL * channels),
        (whole, STRIDE * row, STRIDE * column, row, number),
        writeable=False,
    )
    result: Array = patches.reshape(-1, len(weight)) @ weight + bias
    return result.reshape(batch, rows // STRIDE, columns // STRIDE, -1)


def _leaky(values: Array) -> Array:
    return np.maximum(values, LEAK * values)
