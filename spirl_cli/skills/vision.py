"""The inputs of networks: selected numbers of the state and image features (docs/method.md#image-features).

An observation is one vector `(D + P,)`: it begins with the D numbers of the state and ends with the P
pixels (0..255) of the image, flattened from `(rows, columns, channels)`. That order is torch's
channels_last, so no pixel moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spirl_cli.errors import UsageError
from spirl_cli.recipe.sections.skills import ImageEncoderSection
from spirl_cli.settings import expand_indices
from spirl_cli.skills.networks import LEAK, Normalizer, initialize_linear

ImageShape = tuple[int, int, int]  # rows, columns, channels
KERNEL, STRIDE, PADDING = 4, 2, 1  # of every convolution, each of which halves the image


class ImageEncoder(nn.Module):
    """Convolutions → features: n × [4×4 convolution, stride 2 → (BatchNorm) → LeakyReLU] → linear → LeakyReLU.

    The linear layer is a valid convolution over the whole last map (4×4 for an image of 32×32).

    Args:
        shape: `(rows, columns, channels)` of the image.
        section: widths of the layers.

    Raises:
        UsageError: the image is too small for this number of convolutions.
    """

    def __init__(self, shape: ImageShape, section: ImageEncoderSection) -> None:
        super().__init__()
        rows, columns, channels = shape
        self.shape = shape
        layers: list[nn.Module] = []
        for index, width in enumerate(section.channels):
            layers.append(nn.Conv2d(channels, width, KERNEL, STRIDE, PADDING))
            if section.batch_norm and index > 0:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(LEAK))
            rows, columns, channels = rows // STRIDE, columns // STRIDE, width
        if not rows or not columns:
            raise UsageError(
                f"an image of {shape[0]}×{shape[1]} pixels is too small for {len(section.channels)} convolutions",
                "name fewer in image.channels",
            )
        self.convolutions = nn.Sequential(*layers)
        self.features = nn.Linear(rows * columns * channels, section.features)
        self.activation = nn.LeakyReLU(LEAK)
        self.apply(_initialize)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def pixels(self) -> int:
        """Number of pixels of an image, P."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Number of features F."""
        return self.features.out_features

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels `(..., P)` in 0..255 to features `(..., F)`."""
        scaled = (pixels / 255).sub_(0.5)  # makes pixels contiguous that are a part of an observation
        images = scaled.reshape(-1, *self.shape)  # (B, rows, columns, channels)
        maps: Tensor = self.convolutions(images.permute(0, 3, 1, 2))
        features: Tensor = self.activation(self.features(maps.permute(0, 2, 3, 1).flatten(1)))
        return features.reshape(*pixels.shape[:-1], self.size)


class Perception(nn.Module):
    """Observation `(..., D+P)` → inputs of an MLP `(..., n)`: selected standardised numbers, then image features.

    It has two halves, so that features of frozen convolutions can be stored instead of images: `encode` replaces the
    pixels by features, and `select` makes the inputs. The normaliser belongs to the network that uses it.

    Args:
        state_dim: D.
        indices: indices of the visible numbers of the state; None for all of them, or for none if there is an image.
        section: sizes of the image encoder; None if the network sees no image.
        image_shape: `(rows, columns, channels)` of the observation's image.

    Raises:
        UsageError: there would be no inputs, an index is out of range, or there is no image.
    """

    indices: Tensor

    def __init__(
        self,
        state_dim: int,
        indices: Sequence[int | str] | None = None,
        section: ImageEncoderSection | None = None,
        image_shape: ImageShape | None = None,
    ) -> None:
        super().__init__()
        if section is not None and image_shape is None:
            raise UsageError("the networks are to see an image, but the clips have none", "leave `image` out")
        chosen = () if indices is None and section is not None else indices
        seen = expand_indices(chosen, state_dim)
        self.state_dim = state_dim
        self.sees_all = seen == list(range(state_dim))
        self.register_buffer("indices", torch.tensor(seen, dtype=torch.long), persistent=False)
        self.image = None if section is None or image_shape is None else ImageEncoder(image_shape, section)
        if not self.size:
            raise UsageError("the networks would see nothing", "name some of the state in state_indices")

    @property
    def image_shape(self) -> ImageShape | None:
        """`(rows, columns, channels)` of the visible image."""
        return None if self.image is None else self.image.shape

    @property
    def size(self) -> int:
        """Number of inputs n."""
        return len(self.indices) + self.encoded_size - self.state_dim

    @property
    def encoded_size(self) -> int:
        """D + F, size of an encoded observation; D without image."""
        return self.state_dim + (0 if self.image is None else self.image.size)

    def encode(self, observations: Tensor) -> Tensor:
        """Map `(..., D+P)` to `(..., D+F)`: the raw state, and features in place of the pixels.

        Numbers between the first D and the last P are ignored.
        """
        states = observations[..., : self.state_dim]
        if self.image is None:
            return states
        return torch.cat([states, self.image(observations[..., -self.image.pixels :])], dim=-1)

    def select(self, encoded: Tensor, normalizer: Normalizer) -> Tensor:
        """Map `(..., D+F)` to inputs `(..., n)`; numbers after the first D+F are ignored."""
        states = normalizer(encoded[..., : self.state_dim])
        states = states if self.sees_all else states[..., self.indices]
        if self.image is None:
            return states
        return torch.cat([states, encoded[..., self.state_dim : self.encoded_size]], dim=-1)

    def forward(self, observations: Tensor, normalizer: Normalizer) -> Tensor:
        """Map raw observations `(..., D+P)` to inputs `(..., n)`."""
        return self.select(self.encode(observations), normalizer)


def _initialize(module: nn.Module) -> None:
    """Set Xavier-normal weights and zero biases of convolutions and linear layers."""
    initialize_linear(module)
    if isinstance(module, nn.Conv2d) and module.bias is not None:
        nn.init.xavier_normal_(module.weight)
        nn.init.zeros_(module.bias)
